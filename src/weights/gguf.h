// GGUF files (versions 2 and 3, little-endian): metadata, then tensors in ggml's formats. Read by
// memory map.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "weights/weight_source.h"

namespace lathe {

// A number or a list of them is in the widest type of its kind.
using GgufValue = std::variant<i64, double, bool, std::string, std::vector<i64>,
                               std::vector<double>, std::vector<std::string>>;

// What a file says of itself, by key. Lookups are Errors that name the file and the key where the
// value is of another kind, and where it is missing and there is no `absent`.
class GgufMetadata {
 public:
  std::string where;
  std::map<std::string, GgufValue> values;

  bool has(const std::string& key) const { return values.contains(key); }
  i64 integer(const std::string& key, std::optional<i64> absent = {}) const;
  double number(const std::string& key, std::optional<double> absent = {}) const;
  bool flag(const std::string& key, bool absent) const;
  std::string text(const std::string& key, std::optional<std::string> absent = {}) const;
  // Null where it is missing.
  const std::vector<std::string>* texts(const std::string& key) const;
  const std::vector<i64>* integers(const std::string& key) const;
  const std::vector<double>* numbers(const std::string& key) const;
};

struct GgufContent {
  GgufMetadata metadata;
  // Shapes are row-major: ne[0], which the file names first, is last.
  std::vector<TensorView> tensors;
};

// Parser of outside bytes. Throws Error naming `where` unless all of it is well formed: known
// types, every tensor inside the file, none over another.
GgufContent parse_gguf(std::span<const std::byte> file, const std::string& where);

// A file, mapped.
class GgufFile : public WeightSource {
 public:
  explicit GgufFile(const std::string& path);

  void read_ahead() const override { file_.read_ahead(); }
  const GgufMetadata& metadata() const { return metadata_; }

 private:
  explicit GgufFile(std::pair<MappedFile, GgufContent> parsed);

  MappedFile file_;
  GgufMetadata metadata_;
};

// "GGUF", with which such a file begins.
inline constexpr std::string_view kGgufMagic = "GGUF";

// How ggml numbers the types of tensors.
struct GgmlType {
  uint32_t number;
  DType dtype;
};
inline constexpr GgmlType kGgmlTypes[] = {
    {0, DType::kF32},  {1, DType::kF16},  {2, DType::kQ40},   {3, DType::kQ41},  {6, DType::kQ50},
    {7, DType::kQ51},  {8, DType::kQ80},  {12, DType::kQ4K},  {13, DType::kQ5K}, {14, DType::kQ6K},
    {26, DType::kI32}, {27, DType::kI64}, {30, DType::kBf16},
};

}  // namespace lathe
