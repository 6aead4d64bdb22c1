#include "base/fields.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/suggest.h"

namespace lathe {

namespace {

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

// The shortest decimal that reads back as the same double, and always as a TOML float.
std::string shortest(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".einf") == std::string::npos) text += ".0";
  return text;
}

// JSON's escapes are TOML's too, except that TOML wants one for DEL. What is no UTF-8 has no
// spelling in either and becomes U+FFFD.
std::string in_quotes(const std::string& value) {
  std::string text = Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = 0; (at = text.find('\x7f', at)) != std::string::npos;) {
    text.replace(at, 1, "\\u007f");
  }
  return text;
}

// Foreign text for an error message: short, and on one line.
std::string shown(std::string_view text) {
  std::string quoted = in_quotes(std::string(text.substr(0, 60)));
  return quoted.substr(1, quoted.size() - 2) + (text.size() > 60 ? "..." : "");
}

template <class T, class Print>
std::string list(const std::vector<T>& values, Print print) {
  std::string text = "[";
  for (const T& value : values) text += (text.size() > 1 ? ", " : "") + print(value);
  return text + "]";
}

bool take_int(const Json& found, i64& value) {
  if (found.is_number_integer()) {
    if (found.is_number_unsigned() && found.get<uint64_t>() > uint64_t{INT64_MAX}) return false;
    value = found.get<i64>();
    return true;
  }
  // 2e9 is how people write large counts.
  if (found.is_number_float()) {
    const double d = found.get<double>();
    if (d == std::floor(d) && std::abs(d) < 9e15) {
      value = static_cast<i64>(d);
      return true;
    }
  }
  return false;
}

bool take_double(const Json& found, double& value) {
  if (!found.is_number()) return false;
  value = found.get<double>();
  return true;
}

bool take_text(const Json& found, std::string& value) {
  if (!found.is_string()) return false;
  value = found.get<std::string>();
  return true;
}

template <class T, class Take>
bool take_list(const Json& found, std::vector<T>& values, Take take) {
  if (!found.is_array()) return false;
  std::vector<T> result;
  for (const Json& item : found) {
    T value;
    if (!take(item, value)) return false;
    result.push_back(std::move(value));
  }
  values = std::move(result);
  return true;
}

}  // namespace

struct FieldReader::Level {
  const Json* object;  // null: the section is absent, its fields keep their values
  std::string path;    // "" or "section."
  std::vector<std::string> known;
};

FieldReader::FieldReader(const Json& object, std::string where) : where_(std::move(where)) {
  if (!object.is_object()) {
    fail("{}: found {}, expected a table of keys", where_, object.type_name());
  }
  levels_.push_back({&object, "", {}});
}

FieldReader::~FieldReader() = default;

const Json* FieldReader::find(std::string_view key) {
  Level& level = levels_.back();
  level.known.emplace_back(key);
  if (!level.object) return nullptr;
  const auto at = level.object->find(std::string(key));
  return at == level.object->end() ? nullptr : &*at;
}

void FieldReader::wrong_type(std::string_view key, const Json& found, const char* expected) const {
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  fail("{}: '{}{}' is {} ({}), expected {}", where_, levels_.back().path, key, text,
       found.type_name(), expected);
}

template <class T, class Take>
void FieldReader::element(std::string_view key, T& value, const char* expected, Take take) {
  const Json* found = find(key);
  if (found && !take(*found, value)) wrong_type(key, *found, expected);
}

void FieldReader::field(std::string_view key, bool& value, std::string_view) {
  element(key, value, "true or false", [](const Json& found, bool& into) {
    if (!found.is_boolean()) return false;
    into = found.get<bool>();
    return true;
  });
}
void FieldReader::field(std::string_view key, i64& value, std::string_view) {
  element(key, value, "a whole number", take_int);
}
void FieldReader::field(std::string_view key, double& value, std::string_view) {
  element(key, value, "a number", take_double);
}
void FieldReader::field(std::string_view key, std::string& value, std::string_view) {
  element(key, value, "text in quotes", take_text);
}
void FieldReader::field(std::string_view key, std::vector<i64>& value, std::string_view) {
  element(key, value, "a list of whole numbers", [](const Json& found, std::vector<i64>& into) {
    return take_list(found, into, take_int);
  });
}
void FieldReader::field(std::string_view key, std::vector<double>& value, std::string_view) {
  element(key, value, "a list of numbers", [](const Json& found, std::vector<double>& into) {
    return take_list(found, into, take_double);
  });
}
void FieldReader::field(std::string_view key, std::vector<std::string>& value, std::string_view) {
  element(key, value, "text or a list of texts",
          [](const Json& found, std::vector<std::string>& into) {
            std::string one;
            if (take_text(found, one)) {
              into = {one};
              return true;
            }
            return take_list(found, into, take_text);
          });
}

void FieldReader::choice(std::string_view key, int& index, std::span<const std::string_view> names,
                         std::string_view) {
  const Json* found = find(key);
  if (!found) return;
  std::string name;
  if (!take_text(*found, name)) wrong_type(key, *found, ("one of " + joined(names)).c_str());
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      index = static_cast<int>(i);
      return;
    }
  }
  fail("{}: '{}{}' is '{}', expected one of {}", where_, levels_.back().path, key, shown(name),
       joined(names));
}

void FieldReader::begin_section(std::string_view key, std::string_view) {
  const Json* found = find(key);
  if (found && !found->is_object()) wrong_type(key, *found, "a table of keys");
  levels_.push_back({found, levels_.back().path + std::string(key) + ".", {}});
}

std::vector<std::string> FieldReader::section_names() const {
  std::vector<std::string> names;
  if (!levels_.back().object) return names;
  for (const auto& [name, value] : levels_.back().object->items()) names.push_back(name);
  return names;
}

void FieldReader::end_section() {
  check_unknown(levels_.back());
  levels_.pop_back();
}

void FieldReader::finish() {
  LATHE_CHECK(levels_.size() == 1);
  check_unknown(levels_.back());
}

void FieldReader::check_unknown(const Level& level) const {
  if (!level.object) return;
  const std::set<std::string> known(level.known.begin(), level.known.end());
  for (const auto& [key, value] : level.object->items()) {
    if (known.contains(key)) continue;
    const std::vector<std::string_view> names(level.known.begin(), level.known.end());
    const std::string near = nearest_name(key, names);
    fail("{}: unknown key '{}{}'{}; known here: {}", where_, level.path, shown(key),
         did_you_mean(near.empty() ? near : level.path + near), joined(names));
  }
}

FieldWriter::FieldWriter() { levels_.push_back(Json::object()); }
FieldWriter::~FieldWriter() = default;

void FieldWriter::field(std::string_view key, bool& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, i64& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, double& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, std::string& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, std::vector<i64>& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, std::vector<double>& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::field(std::string_view key, std::vector<std::string>& value, std::string_view) {
  levels_.back()[std::string(key)] = value;
}
void FieldWriter::choice(std::string_view key, int& index, std::span<const std::string_view> names,
                         std::string_view) {
  levels_.back()[std::string(key)] = std::string(names[static_cast<size_t>(index)]);
}
void FieldWriter::begin_section(std::string_view key, std::string_view) {
  keys_.emplace_back(key);
  levels_.push_back(Json::object());
}
void FieldWriter::end_section() {
  Json done = std::move(levels_.back());
  levels_.pop_back();
  levels_.back()[keys_.back()] = std::move(done);
  keys_.pop_back();
}
Json FieldWriter::take() {
  LATHE_CHECK(levels_.size() == 1);
  return std::move(levels_.back());
}

void TomlPrinter::line(std::string_view key, const std::string& value, std::string_view help) {
  std::string head = std::string(key) + " = " + value;
  if (!help.empty()) {
    head.resize(std::max<size_t>(head.size() + 2, 32), ' ');
    head += "# " + std::string(help);
  }
  levels_.back().lines += head + "\n";
}
void TomlPrinter::field(std::string_view key, bool& value, std::string_view help) {
  line(key, value ? "true" : "false", help);
}
void TomlPrinter::field(std::string_view key, i64& value, std::string_view help) {
  line(key, std::to_string(value), help);
}
void TomlPrinter::field(std::string_view key, double& value, std::string_view help) {
  line(key, shortest(value), help);
}
void TomlPrinter::field(std::string_view key, std::string& value, std::string_view help) {
  line(key, in_quotes(value), help);
}
void TomlPrinter::field(std::string_view key, std::vector<i64>& value, std::string_view help) {
  line(key, list(value, [](i64 x) { return std::to_string(x); }), help);
}
void TomlPrinter::field(std::string_view key, std::vector<double>& value, std::string_view help) {
  line(key, list(value, shortest), help);
}
void TomlPrinter::field(std::string_view key, std::vector<std::string>& value,
                        std::string_view help) {
  line(key, list(value, in_quotes), help);
}
void TomlPrinter::choice(std::string_view key, int& index, std::span<const std::string_view> names,
                         std::string_view help) {
  line(key, in_quotes(std::string(names[static_cast<size_t>(index)])),
       std::string(help) + " (" + joined(names) + ")");
}
void TomlPrinter::begin_section(std::string_view key, std::string_view help) {
  const std::string& outer = levels_.back().path;
  Level level;
  const bool bare = std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  const std::string name = bare ? std::string(key) : in_quotes(std::string(key));
  level.path = outer.empty() ? name : outer + "." + name;
  level.lines = "\n[" + level.path + "]" + (help.empty() ? "" : "  # " + std::string(help)) + "\n";
  levels_.push_back(std::move(level));
}
void TomlPrinter::end_section() {
  const Level done = std::move(levels_.back());
  levels_.pop_back();
  levels_.back().sections += done.lines + done.sections;
}
std::string TomlPrinter::take() {
  LATHE_CHECK(levels_.size() == 1);
  return levels_.back().lines + levels_.back().sections;
}

}  // namespace lathe
