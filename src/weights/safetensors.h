// safetensors files: a JSON header of names, types, shapes and byte ranges, then the tensors'
// bytes. Reading is by memory map; nothing is copied or converted.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/numeric.h"

namespace lathe {

// "F32", "BF16", …: the format's name of a type.
std::string_view safetensors_name(DType dtype);

// A tensor inside a parsed file. `bytes` is borrowed from the file, row-major, little-endian, and
// aligned only as far as the file aligns it (write_safetensors: 64 bytes).
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  std::span<const std::byte> bytes;
  i64 numel() const { return static_cast<i64>(bytes.size()) / dtype_bytes(dtype); }
};

// "F32 (768, 3072)", for messages.
std::string describe_tensor(DType dtype, std::span<const i64> shape);

struct SafetensorsContent {
  std::vector<TensorView> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// Parser of outside bytes. Throws Error naming `where` unless the whole of `file` is one
// well-formed safetensors file: the tensors cover the data without holes or overlaps, as the format
// demands, and each range has the size that shape and type call for.
SafetensorsContent parse_safetensors(std::span<const std::byte> file, const std::string& where);

// A file, mapped. Const after construction; may be read from many threads.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  // The tensor; get() throws Error with the nearest name there is, find() returns null.
  const TensorView& get(const std::string& name) const;
  const TensorView* find(const std::string& name) const;

  const std::vector<TensorView>& tensors() const { return content_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return content_.metadata; }
  const std::string& path() const { return file_.path(); }

 private:
  MappedFile file_;
  SafetensorsContent content_;
  std::unordered_map<std::string, size_t> by_name_;
};

// `data`: row-major, borrowed for the call.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  const void* data = nullptr;
};

// Writes `path` atomically (base/atomic_file.h). The header is padded with spaces so that the data
// starts on a 64-byte border; a tensor whose size is no multiple of 64 shifts those after it, since
// the format allows no gaps, so types are laid out widest first: every tensor stays aligned to its
// element.
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace lathe
