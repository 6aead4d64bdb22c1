// JSON lines with typed look-ups: what is wrong is said with the file, the line and the key.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace lathe {

// An object of a line. Borrows the line's tree. Every look-up is an Error where the key is missing
// or its value of another type.
class JsonItem {
 public:
  JsonItem(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool has(std::string_view key) const { return object_.contains(key); }
  const std::string& text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  // A whole number, or a string that spells one, as some files have it.
  i64 whole(std::string_view key) const;
  // One in [0, n): an Error that says so otherwise.
  size_t index(std::string_view key, size_t n) const;
  JsonItem object(std::string_view key) const;
  std::vector<JsonItem> objects(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;

  const std::string& where() const { return where_; }  // "FILE:12"

 private:
  const Json& find(std::string_view key) const;
  [[noreturn]] void wrong(std::string_view key, const Json& found, const char* expected) const;

  const Json& object_;
  std::string where_;
};

// Calls f for the object of every line; blank lines are none. Error, naming the line, where one is
// no JSON object; where the last one is not whole too.
void read_json_lines(std::string_view bytes, const std::string& where,
                     const std::function<void(const JsonItem&)>& f);

// The lines of a text, without their ends (\n or \r\n); no empty one behind the last end.
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace lathe
