#include "weights/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace lathe {

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

namespace {

// Ordered by name: the header has any number of keys, and ordered_json looks them up one by one.
using Header = nlohmann::json;

constexpr size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kDataAlignment = 64;
constexpr int kMaxDepth = 3;  // tensors → one tensor → shape

struct DTypeRow {
  DType dtype;
  std::string_view name;
};
constexpr DTypeRow kDTypes[] = {{DType::kF32, "F32"},
                                {DType::kBf16, "BF16"},
                                {DType::kF16, "F16"},
                                {DType::kI64, "I64"},
                                {DType::kI32, "I32"},
                                {DType::kU8, "U8"},
                                // Masks, which some models keep beside their weights.
                                {DType::kU8, "BOOL"}};

std::string_view safetensors_name(DType dtype) {
  for (const DTypeRow& row : kDTypes) {
    if (row.dtype == dtype) return row.name;
  }
  return "?";
}

std::vector<std::string> dtype_names() {
  std::vector<std::string> names;
  for (const DTypeRow& row : kDTypes) names.emplace_back(row.name);
  return names;
}

DType parse_dtype(const std::string& name, const std::string& where) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  std::string known;
  for (const std::string& n : dtype_names()) known += (known.empty() ? "" : ", ") + n;
  fail("[safetensors] {}: dtype '{}' is none of {}; convert the tensor", where, name, known);
}

// The header as a tree. A key given twice, which JSON leaves open and other readers resolve in
// different ways, is an Error.
Header parse_header(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys(kMaxDepth + 1);
  const auto check = [&](int depth, Header::parse_event_t event, Header& value) {
    if (depth >= kMaxDepth && (event == Header::parse_event_t::object_start ||
                               event == Header::parse_event_t::array_start)) {
      fail("[safetensors] {}: the header is nested more than {} deep; the file is damaged", where,
           kMaxDepth);
    }
    if (event == Header::parse_event_t::object_start) keys[static_cast<size_t>(depth)].clear();
    if (event == Header::parse_event_t::key) {
      const std::string& key = value.get_ref<const std::string&>();
      if (!keys[static_cast<size_t>(depth - 1)].insert(key).second) {
        fail("[safetensors] {}: the header has the key '{}' twice; the file is damaged", where,
             key);
      }
    }
    return true;
  };
  try {
    return Header::parse(text, check);
  } catch (const Header::exception& e) {
    const std::string what = e.what();
    const size_t at = what.find("at line");
    fail("[safetensors] {}: the header is not valid JSON: {}", where,
         at == std::string::npos ? what : what.substr(at));
  }
}

// A count or offset that fits 63 bits.
i64 parse_count(const Header& value, const char* what, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX) {
    fail("[safetensors] {}: {} holds {}, expected a whole number from 0 on", where, what,
         value.dump().substr(0, 40));
  }
  return static_cast<i64>(value.get<uint64_t>());
}

TensorView parse_tensor(const std::string& name, const Header& entry,
                        std::span<const std::byte> data, const std::string& file) {
  const std::string where = file + ": tensor '" + name + "'";
  if (!entry.is_object()) fail("[safetensors] {} is no JSON object", where);
  const auto member = [&](const char* key) -> const Header& {
    const auto at = entry.find(key);
    if (at == entry.end()) fail("[safetensors] {} has no '{}'", where, key);
    return *at;
  };
  for (const auto& [key, value] : entry.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      fail("[safetensors] {} has the unknown key '{}'", where, key);
    }
  }
  TensorView tensor;
  tensor.name = name;
  const Header& dtype = member("dtype");
  if (!dtype.is_string()) fail("[safetensors] {}: dtype is no text", where);
  tensor.dtype = parse_dtype(dtype.get_ref<const std::string&>(), where);

  const Header& shape = member("shape");
  if (!shape.is_array()) fail("[safetensors] {}: shape is no list", where);
  i64 size = stored_bytes(tensor.dtype, 1);
  bool empty = false;
  for (const Header& d : shape) {
    const i64 extent = parse_count(d, "shape", where);
    tensor.shape.push_back(extent);
    if (extent == 0) empty = true;
    if (extent != 0 && __builtin_mul_overflow(size, extent, &size)) {
      fail("[safetensors] {}: the shape is too large to be true; the file is damaged", where);
    }
  }
  if (empty) size = 0;

  const Header& offsets = member("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) {
    fail("[safetensors] {}: data_offsets is no pair", where);
  }
  const i64 begin = parse_count(offsets[0], "data_offsets", where);
  const i64 end = parse_count(offsets[1], "data_offsets", where);
  if (begin > end) {
    fail("[safetensors] {}: data_offsets end at {} before they begin at {}", where, end, begin);
  }
  if (end > static_cast<i64>(data.size())) {
    fail(
        "[safetensors] {}: data_offsets reach {}, but the file holds {} bytes of data; perhaps an "
        "incomplete download",
        where, end, data.size());
  }
  if (end - begin != size) {
    fail("[safetensors] {}: {} takes {} bytes, data_offsets give {}", where,
         describe_tensor(tensor.dtype, tensor.shape), size, end - begin);
  }
  tensor.bytes = data.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
  return tensor;
}

}  // namespace

SafetensorsContent parse_safetensors(std::span<const std::byte> file, const std::string& where) {
  uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes) {
    fail("[safetensors] {}: {} bytes, expected at least 8; no safetensors file", where,
         file.size());
  }
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  file = file.subspan(sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes) {
    fail("[safetensors] {}: the header claims {} bytes, at most {} allowed; no safetensors file",
         where, header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > file.size()) {
    fail(
        "[safetensors] {}: the header claims {} bytes, the file has {}; perhaps an incomplete "
        "download",
        where, header_bytes, file.size());
  }
  const auto text = std::string_view(reinterpret_cast<const char*>(file.data()), header_bytes);
  const std::span<const std::byte> data = file.subspan(header_bytes);
  const Header header = parse_header(text, where);
  if (!header.is_object()) fail("[safetensors] {}: the header is no JSON object", where);

  SafetensorsContent content;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      content.tensors.push_back(parse_tensor(name, entry, data, where));
      continue;
    }
    if (!entry.is_object()) fail("[safetensors] {}: __metadata__ is no JSON object", where);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail("[safetensors] {}: metadata '{}' is no text", where, key);
      content.metadata.emplace(key, value.get<std::string>());
    }
  }
  // Empty tensors share their offset with a neighbour: the size breaks the tie.
  std::stable_sort(content.tensors.begin(), content.tensors.end(),
                   [](const TensorView& a, const TensorView& b) {
                     return std::pair(a.bytes.data(), a.bytes.size()) <
                            std::pair(b.bytes.data(), b.bytes.size());
                   });
  const std::byte* next = data.data();
  for (const TensorView& t : content.tensors) {
    if (t.bytes.data() != next) {
      fail("[safetensors] {}: tensor '{}' begins at byte {} of the data, expected {}: {}", where,
           t.name, t.bytes.data() - data.data(), next - data.data(),
           t.bytes.data() < next ? "tensors overlap" : "a hole no tensor covers");
    }
    next += t.bytes.size();
  }
  if (next != data.data() + data.size()) {
    fail("[safetensors] {}: the tensors take {} bytes, the file has {}", where, next - data.data(),
         data.size());
  }
  return content;
}

SafetensorsFile::SafetensorsFile(std::pair<MappedFile, SafetensorsContent> parsed)
    : WeightSource(parsed.first.path(), std::move(parsed.second.tensors)),
      file_(std::move(parsed.first)),
      metadata_(std::move(parsed.second.metadata)) {}

SafetensorsFile::SafetensorsFile(const std::string& path)
    : SafetensorsFile([&] {
        MappedFile file(path);
        SafetensorsContent content = parse_safetensors(file.bytes(), path);
        return std::pair(std::move(file), std::move(content));
      }()) {}

i64 TensorHead::bytes() const {
  i64 n = 1;
  for (const i64 d : shape) n = checked_product(n, d, name.c_str());
  return stored_bytes(dtype, n);
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<TensorHead> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : order_(std::move(tensors)), file_(path) {
  std::stable_sort(order_.begin(), order_.end(), [](const TensorHead& a, const TensorHead& b) {
    return stored_bytes(a.dtype, 1) > stored_bytes(b.dtype, 1);
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  i64 offset = 0;
  std::set<std::string> names = {"__metadata__"};
  for (const TensorHead& t : order_) {
    LATHE_CHECK(names.insert(t.name).second && stored_type(t.dtype).block_values == 1);
    const i64 end = offset + t.bytes();
    // push_back, since [] would search the keys one by one.
    header.push_back({t.name,
                      {{"dtype", std::string(safetensors_name(t.dtype))},
                       {"shape", t.shape},
                       {"data_offsets", {offset, end}}}});
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("[safetensors] '{}': a tensor name or metadata entry is not UTF-8", path);
  }
  const size_t total = sizeof(uint64_t) + text.size();
  text.append((kDataAlignment - total % kDataAlignment) % kDataAlignment, ' ');
  const uint64_t header_bytes = text.size();
  file_.write(&header_bytes, sizeof header_bytes);
  file_.write(text);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  LATHE_CHECK(next_ < order_.size() && static_cast<i64>(bytes.size()) == order_[next_].bytes());
  ++next_;
  if (!bytes.empty()) file_.write(bytes.data(), bytes.size());
}

void SafetensorsWriter::commit() {
  LATHE_CHECK(next_ == order_.size());
  file_.commit();
}

void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::map<std::string, const void*> data;
  std::vector<TensorHead> heads;
  for (const TensorToWrite& t : tensors) {
    heads.push_back({t.name, t.dtype, t.shape});
    data.emplace(t.name, t.data);
  }
  SafetensorsWriter writer(path, std::move(heads), metadata);
  for (const TensorHead& t : writer.order()) {
    writer.write({static_cast<const std::byte*>(data.at(t.name)), static_cast<size_t>(t.bytes())});
  }
  writer.commit();
}

}  // namespace lathe
