// safetensors files: a JSON header of names, types, shapes and byte ranges, then the tensors'
// bytes. Reading is by memory map; nothing is copied or converted.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "weights/weight_source.h"

namespace lathe {

struct SafetensorsContent {
  std::vector<TensorView> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// Parser of outside bytes. Throws Error naming `where` unless the whole of `file` is one
// well-formed safetensors file: the tensors cover the data without holes or overlaps, as the format
// demands, and each range has the size that shape and type call for.
SafetensorsContent parse_safetensors(std::span<const std::byte> file, const std::string& where);

// A file, mapped.
class SafetensorsFile : public WeightSource {
 public:
  explicit SafetensorsFile(const std::string& path);

  void read_ahead() const override { file_.read_ahead(); }

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  explicit SafetensorsFile(std::pair<MappedFile, SafetensorsContent> parsed);

  MappedFile file_;
  std::map<std::string, std::string> metadata_;
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
