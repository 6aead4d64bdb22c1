#include "weights/gguf_writer.h"

#include <limits>

#include "base/error.h"

namespace lathe {

namespace {

constexpr uint64_t kAlignment = 32;
constexpr uint32_t kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9;

class Bytes {
 public:
  template <class T>
  void number(T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number<uint64_t>(value.size());
    out += value;
  }
  void value(const std::string& key, const GgufValue& value) {
    text(key);
    std::visit([&](const auto& v) { typed(key, v); }, value);
  }
  std::string out;

 private:
  template <class T>
  void narrowed(const std::string& key, i64 value) {
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
      fail("[gguf] '{}' is {}, which does not fit GGUF's 32 bits", key, value);
    }
    number(static_cast<T>(value));
  }
  void typed(const std::string& key, i64 v) {
    number(kU32);
    narrowed<uint32_t>(key, v);
  }
  void typed(const std::string&, double v) {
    number(kF32);
    number(static_cast<float>(v));
  }
  void typed(const std::string&, bool v) {
    number(kBool);
    number<uint8_t>(v);
  }
  void typed(const std::string&, const std::string& v) {
    number(kString);
    text(v);
  }
  void typed(const std::string& key, const std::vector<i64>& v) {
    list(kI32, v.size());
    for (const i64 x : v) narrowed<int32_t>(key, x);
  }
  void typed(const std::string&, const std::vector<double>& v) {
    list(kF32, v.size());
    for (const double x : v) number(static_cast<float>(x));
  }
  void typed(const std::string&, const std::vector<std::string>& v) {
    list(kString, v.size());
    for (const std::string& x : v) text(x);
  }
  void list(uint32_t type, size_t n) {
    number(kArray);
    number(type);
    number<uint64_t>(n);
  }
};

uint32_t ggml_number(DType dtype) {
  for (const GgmlType& row : kGgmlTypes) {
    if (row.dtype == dtype) return row.number;
  }
  LATHE_CHECK(!"a type of ggml's");
  return 0;
}

uint64_t padded(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

GgufWriter::GgufWriter(const std::string& path, const GgufEntries& entries,
                       std::vector<TensorHead> tensors)
    : order_(std::move(tensors)), file_(path) {
  Bytes header;
  header.out = kGgufMagic;
  header.number<uint32_t>(3);
  header.number<uint64_t>(order_.size());
  header.number<uint64_t>(entries.size());
  for (const auto& [key, value] : entries) header.value(key, value);
  uint64_t offset = 0;
  for (const TensorHead& t : order_) {
    header.text(t.name);
    header.number(static_cast<uint32_t>(t.shape.size()));
    for (size_t i = t.shape.size(); i-- > 0;) {
      header.number(static_cast<uint64_t>(t.shape[i]));
    }
    header.number(ggml_number(t.dtype));
    header.number(offset);
    offset = padded(offset + static_cast<uint64_t>(t.bytes()));
  }
  file_.write(header.out);
  pad();
}

void GgufWriter::pad() {
  static constexpr char kZeros[kAlignment] = {};
  const uint64_t missing = padded(file_.size()) - file_.size();
  if (missing > 0) file_.write(kZeros, missing);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  LATHE_CHECK(next_ < order_.size() && static_cast<i64>(bytes.size()) == order_[next_].bytes());
  ++next_;
  if (!bytes.empty()) file_.write(bytes.data(), bytes.size());
  pad();
}

void GgufWriter::commit() {
  LATHE_CHECK(next_ == order_.size());
  file_.commit();
}

}  // namespace lathe
