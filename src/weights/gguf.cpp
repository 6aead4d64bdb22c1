#include "weights/gguf.h"

#include <algorithm>
#include <set>

#include "base/byte_reader.h"
#include "base/error.h"

namespace lathe {

namespace {

constexpr i64 kDefaultAlignment = 32;
constexpr uint32_t kMaxDims = 4;  // ggml's

// The types of values.
enum : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

class Parser {
 public:
  Parser(std::span<const std::byte> file, const std::string& where)
      : file_(file), where_(where), reader_(file, "[gguf]", where) {}

  GgufContent parse() {
    read_header();
    content_.metadata.where = where_;
    for (uint64_t i = 0; i < n_values_; ++i) {
      std::string key = text("a key");
      GgufValue value = read_value(number<uint32_t>("a value's type"), key);
      if (!content_.metadata.values.emplace(key, std::move(value)).second) {
        fail("[gguf] {}: the key '{}' is there twice; the file is damaged", where_, key);
      }
    }
    for (uint64_t i = 0; i < n_tensors_; ++i) read_tensor();
    place_tensors();
    return std::move(content_);
  }

 private:
  template <class T>
  T number(std::string_view what) {
    return reader_.number<T>(what);
  }
  std::string text(std::string_view what) {
    const auto n = number<uint64_t>(what);
    return reader_.text(n, what);
  }

  void read_header() {
    if (reader_.text(std::min<uint64_t>(4, reader_.remaining()), "the magic") != kGgufMagic) {
      fail("[gguf] {}: does not begin with GGUF; this is another format", where_);
    }
    const auto version = number<uint32_t>("the version");
    if (version != 2 && version != 3) {
      fail("[gguf] {}: version {}, expected 2 or 3{}", where_, version,
           version > 0xffff ? "; a big-endian file?" : "; convert it with a current llama.cpp");
    }
    n_tensors_ = number<uint64_t>("the number of tensors");
    n_values_ = number<uint64_t>("the number of values");
  }

  i64 fitting(uint64_t value, const std::string& key) const {
    if (value > INT64_MAX) fail("[gguf] {}: '{}' is {}, which no count is", where_, key, value);
    return static_cast<i64>(value);
  }

  static bool is_integer(uint32_t type) { return type <= kI32 || type == kU64 || type == kI64; }

  i64 read_integer(uint32_t type, const std::string& key) {
    switch (type) {
      case kU8:
        return number<uint8_t>(key);
      case kI8:
        return number<int8_t>(key);
      case kU16:
        return number<uint16_t>(key);
      case kI16:
        return number<int16_t>(key);
      case kU32:
        return number<uint32_t>(key);
      case kI32:
        return number<int32_t>(key);
      case kU64:
        return fitting(number<uint64_t>(key), key);
      default:
        return number<i64>(key);
    }
  }

  GgufValue read_value(uint32_t type, const std::string& key) {
    if (is_integer(type)) return read_integer(type, key);
    switch (type) {
      case kF32:
        return static_cast<double>(number<float>(key));
      case kF64:
        return number<double>(key);
      case kBool:
        return number<uint8_t>(key) != 0;
      case kString:
        return text(key);
      case kArray:
        return read_array(key);
      default:
        fail("[gguf] {}: '{}' is of the unknown type {}; the file is damaged or newer than lathe",
             where_, key, type);
    }
  }

  GgufValue read_array(const std::string& key) {
    const auto type = number<uint32_t>(key);
    const auto n = number<uint64_t>(key);
    // Each element takes a byte at least: a lying count ends with the file, not with the memory.
    if (n > reader_.remaining()) {
      fail("[gguf] {}: '{}' claims {} elements, and {} bytes are left; is the file whole?", where_,
           key, n, reader_.remaining());
    }
    const auto filled = [&]<class T>(std::vector<T> list, auto&& read) {
      for (uint64_t i = 0; i < n; ++i) list.push_back(read());
      return list;
    };
    if (is_integer(type))
      return filled(std::vector<i64>(), [&] { return read_integer(type, key); });
    switch (type) {
      case kF32:
        return filled(std::vector<double>(), [&] { return number<float>(key); });
      case kF64:
        return filled(std::vector<double>(), [&] { return number<double>(key); });
      case kBool:
        return filled(std::vector<i64>(), [&] { return i64{number<uint8_t>(key) != 0}; });
      case kString:
        return filled(std::vector<std::string>(), [&] { return text(key); });
      default:
        fail("[gguf] {}: '{}' is a list of the type {}, expected numbers, truth values or texts",
             where_, key, type);
    }
  }

  DType read_dtype(const std::string& name) {
    const auto type = number<uint32_t>("a tensor's type");
    for (const GgmlType& row : kGgmlTypes) {
      if (row.number == type) return row.dtype;
    }
    std::string known;
    for (const GgmlType& row : kGgmlTypes) {
      known += (known.empty() ? "" : ", ") + std::string(name_of(row.dtype));
    }
    fail("[gguf] {}: tensor '{}' is of ggml's type {}, expected one of {}; requantise the model",
         where_, name, type, known);
  }

  void read_tensor() {
    TensorView t;
    t.name = text("a tensor's name");
    if (!names_.insert(t.name).second) {
      fail("[gguf] {}: tensor '{}' is there twice; the file is damaged", where_, t.name);
    }
    const auto n_dims = number<uint32_t>("a tensor's dimensions");
    if (n_dims > kMaxDims) {
      fail("[gguf] {}: tensor '{}' has {} dimensions, expected at most {}", where_, t.name, n_dims,
           kMaxDims);
    }
    i64 values = 1;
    for (uint32_t d = 0; d < n_dims; ++d) {
      const i64 extent = fitting(number<uint64_t>("a tensor's extent"), t.name);
      t.shape.push_back(extent);
      if (__builtin_mul_overflow(values, extent, &values) || values > INT64_MAX / 8) {
        fail("[gguf] {}: tensor '{}' is too large to be true; the file is damaged", where_, t.name);
      }
    }
    t.dtype = read_dtype(t.name);
    const StoredType& stored = stored_type(t.dtype);
    if ((t.shape.empty() ? 1 : t.shape[0]) % stored.block_values) {
      fail("[gguf] {}: rows of tensor '{}' have {} values, expected whole blocks of {} ({})",
           where_, t.name, t.shape.empty() ? 1 : t.shape[0], stored.block_values, name_of(t.dtype));
    }
    std::reverse(t.shape.begin(), t.shape.end());
    offsets_.push_back(number<uint64_t>("a tensor's offset"));
    content_.tensors.push_back(std::move(t));
  }

  // Offsets count from the end of the header, rounded up to the alignment.
  void place_tensors() {
    const i64 alignment = content_.metadata.integer("general.alignment", kDefaultAlignment);
    if (alignment < 1 || alignment > 1 << 20) {
      fail("[gguf] {}: general.alignment is {}, expected 1 … {}", where_, alignment, 1 << 20);
    }
    const auto unit = static_cast<size_t>(alignment);
    const size_t begin = (reader_.position() + unit - 1) / unit * unit;
    const std::span<const std::byte> data =
        begin < file_.size() ? file_.subspan(begin) : std::span<const std::byte>();
    std::vector<std::pair<uint64_t, const TensorView*>> order;
    for (size_t i = 0; i < offsets_.size(); ++i) {
      TensorView& t = content_.tensors[i];
      const auto bytes = static_cast<uint64_t>(stored_bytes(t.dtype, t.numel()));
      if (bytes > data.size() || offsets_[i] > data.size() - bytes) {
        fail(
            "[gguf] {}: tensor '{}' takes {} bytes from {} on, and the file holds {} of data; "
            "perhaps an incomplete download",
            where_, t.name, bytes, offsets_[i], data.size());
      }
      t.bytes = data.subspan(static_cast<size_t>(offsets_[i]), static_cast<size_t>(bytes));
      if (bytes > 0) order.emplace_back(offsets_[i], &t);
    }
    std::sort(order.begin(), order.end());
    for (size_t i = 1; i < order.size(); ++i) {
      const TensorView &before = *order[i - 1].second, &t = *order[i].second;
      if (before.bytes.data() + before.bytes.size() > t.bytes.data()) {
        fail("[gguf] {}: tensors '{}' and '{}' overlap; the file is damaged", where_, before.name,
             t.name);
      }
    }
  }

  std::span<const std::byte> file_;
  const std::string& where_;
  ByteReader reader_;
  uint64_t n_tensors_ = 0, n_values_ = 0;
  std::vector<uint64_t> offsets_;
  std::set<std::string> names_;
  GgufContent content_;
};

constexpr const char* kKinds[] = {
    "a whole number",          "a number",          "a truth value",  "text",
    "a list of whole numbers", "a list of numbers", "a list of texts"};
static_assert(std::size(kKinds) == std::variant_size_v<GgufValue>);

// The value of that type, or null where there is none.
template <class T>
const T* find(const GgufMetadata& metadata, const std::string& key, const char* expected) {
  const auto at = metadata.values.find(key);
  if (at == metadata.values.end()) return nullptr;
  const T* value = std::get_if<T>(&at->second);
  if (!value) {
    fail("[gguf] {}: '{}' is {}, expected {}", metadata.where, key, kKinds[at->second.index()],
         expected);
  }
  return value;
}

template <class T>
T found_or(const T* value, const std::optional<T>& absent, const GgufMetadata& metadata,
           const std::string& key) {
  if (value) return *value;
  if (!absent) fail("[gguf] {}: '{}' is missing; is this a language model?", metadata.where, key);
  return *absent;
}

}  // namespace

i64 GgufMetadata::integer(const std::string& key, std::optional<i64> absent) const {
  return found_or(find<i64>(*this, key, kKinds[0]), absent, *this, key);
}
double GgufMetadata::number(const std::string& key, std::optional<double> absent) const {
  const auto at = values.find(key);
  if (at != values.end()) {
    if (const i64* whole = std::get_if<i64>(&at->second)) return static_cast<double>(*whole);
  }
  return found_or(find<double>(*this, key, kKinds[1]), absent, *this, key);
}
bool GgufMetadata::flag(const std::string& key, bool absent) const {
  return found_or(find<bool>(*this, key, kKinds[2]), std::optional(absent), *this, key);
}
std::string GgufMetadata::text(const std::string& key, std::optional<std::string> absent) const {
  return found_or(find<std::string>(*this, key, kKinds[3]), absent, *this, key);
}
const std::vector<i64>* GgufMetadata::integers(const std::string& key) const {
  return find<std::vector<i64>>(*this, key, kKinds[4]);
}
const std::vector<double>* GgufMetadata::numbers(const std::string& key) const {
  return find<std::vector<double>>(*this, key, kKinds[5]);
}
const std::vector<std::string>* GgufMetadata::texts(const std::string& key) const {
  return find<std::vector<std::string>>(*this, key, kKinds[6]);
}

GgufContent parse_gguf(std::span<const std::byte> file, const std::string& where) {
  return Parser(file, where).parse();
}

GgufFile::GgufFile(std::pair<MappedFile, GgufContent> parsed)
    : WeightSource(parsed.first.path(), std::move(parsed.second.tensors)),
      file_(std::move(parsed.first)),
      metadata_(std::move(parsed.second.metadata)) {}

GgufFile::GgufFile(const std::string& path)
    : GgufFile([&] {
        MappedFile file(path);
        GgufContent content = parse_gguf(file.bytes(), path);
        return std::pair(std::move(file), std::move(content));
      }()) {}

}  // namespace lathe
