#include "eval/json_lines.h"

#include <charconv>

#include "base/config_tree.h"
#include "base/error.h"

namespace lathe {

const Json& JsonItem::find(std::string_view key) const {
  const auto at = object_.find(key);
  if (at != object_.end()) return *at;
  std::string keys;
  for (const auto& [name, value] : object_.items()) keys += (keys.empty() ? "" : ", ") + name;
  fail("[benchmark] {}: no '{}' (found: {}); is it the file of another task?", where_, key,
       keys.empty() ? "nothing" : keys);
}

void JsonItem::wrong(std::string_view key, const Json& found, const char* expected) const {
  fail("[benchmark] {}: '{}' is {}, expected {}; is it the file of another task?", where_, key,
       found.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60), expected);
}

const std::string& JsonItem::text(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_string()) wrong(key, found, "a text");
  return found.get_ref<const std::string&>();
}

bool JsonItem::boolean(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_boolean()) wrong(key, found, "true or false");
  return found.get<bool>();
}

i64 JsonItem::whole(std::string_view key) const {
  const Json& found = find(key);
  if (found.is_number_unsigned() && found.get<uint64_t>() > uint64_t{1} << 62) {
    wrong(key, found, "a whole number");
  }
  if (found.is_number_integer()) return found.get<i64>();
  i64 value = 0;
  if (found.is_string()) {
    const auto& text = found.get_ref<const std::string&>();
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec == std::errc() && read.ptr == end) return value;
  }
  wrong(key, found, "a whole number");
}

size_t JsonItem::index(std::string_view key, size_t n) const {
  const i64 value = whole(key);
  if (value >= 0 && value < static_cast<i64>(n)) return static_cast<size_t>(value);
  fail(
      "[benchmark] {}: '{}' is {}, expected 0 to {}; is the file damaged, or of a split without "
      "answers?",
      where_, key, value, n - 1);
}

JsonItem JsonItem::object(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_object()) wrong(key, found, "an object");
  return {found, where_};
}

std::vector<JsonItem> JsonItem::objects(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_array()) wrong(key, found, "a list of objects");
  std::vector<JsonItem> out;
  for (const Json& entry : found) {
    if (!entry.is_object()) wrong(key, found, "a list of objects");
    out.emplace_back(entry, where_);
  }
  return out;
}

std::vector<std::string> JsonItem::texts(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_array()) wrong(key, found, "a list of texts");
  std::vector<std::string> out;
  for (const Json& entry : found) {
    if (!entry.is_string()) wrong(key, found, "a list of texts");
    out.push_back(entry.get<std::string>());
  }
  return out;
}

std::vector<double> JsonItem::numbers(std::string_view key) const {
  const Json& found = find(key);
  if (!found.is_array()) wrong(key, found, "a list of numbers");
  std::vector<double> out;
  for (const Json& entry : found) {
    if (!entry.is_number()) wrong(key, found, "a list of numbers");
    out.push_back(entry.get<double>());
  }
  return out;
}

void read_json_lines(std::string_view bytes, const std::string& where,
                     const std::function<void(const JsonItem&)>& f) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);  // a byte order mark
  i64 number = 0;
  for (const std::string_view line : split_lines(bytes)) {
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const std::string place = format("{}:{}", where, number);
    const Json value = parse_json(line, place);
    if (!value.is_object()) {
      fail("[benchmark] {}: found '{}', expected a JSON object; is the file damaged?", place,
           line.substr(0, 40));
    }
    f(JsonItem(value, place));
  }
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace lathe
