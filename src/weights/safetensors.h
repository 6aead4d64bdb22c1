// safetensors files: a JSON header of names, types, shapes and byte ranges, then the tensors'
// bytes. Reading is by memory map; nothing is copied or converted.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
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

// A tensor as a file has it.
struct TensorHead {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  i64 bytes() const;  // rows are whole blocks
};

// Writes a file tensor by tensor, atomically (base/atomic_file.h): for models that do not fit
// memory twice. The header is padded with spaces so that the data starts on a 64-byte border; a
// tensor whose size is no multiple of 64 shifts those after it, since the format allows no gaps, so
// types are laid out widest first: every tensor stays aligned to its element.
class SafetensorsWriter {
 public:
  // No two tensors have one name. The types are of single numbers.
  SafetensorsWriter(const std::string& path, std::vector<TensorHead> tensors,
                    const std::map<std::string, std::string>& metadata);
  // The order in which to write them.
  const std::vector<TensorHead>& order() const { return order_; }
  // The next one's bytes, all of them.
  void write(std::span<const std::byte> bytes);
  // After the last one.
  void commit();

 private:
  std::vector<TensorHead> order_;
  size_t next_ = 0;
  AtomicFile file_;
};

// `data`: row-major, borrowed for the call.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  const void* data = nullptr;
};

// Writes all of them, as above.
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace lathe
