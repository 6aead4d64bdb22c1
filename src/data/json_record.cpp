#include "data/json_record.h"

#include <algorithm>

#include "base/utf8.h"

namespace lathe {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

class Scanner {
 public:
  Scanner(std::string_view line, std::string_view key) : line_(line), key_(key) {}

  JsonRecord scan() {
    JsonRecord record;
    if (!scan_record(record.text)) {
      record.text.reset();
      record.problem = std::move(problem_);
      record.cut_short = at_ == line_.size();
    }
    return record;
  }

 private:
  bool scan_record(std::optional<std::string>& text) {
    if (const size_t valid = valid_utf8_prefix(line_); valid < line_.size()) {
      at_ = valid;
      return wrong("UTF-8");
    }
    if (line_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark
    if (!take('{', "a JSON object")) return false;
    if (!next_is('}')) {
      do {
        std::string key;
        if (!scan_key(key)) return false;
        if (key != key_) {
          if (!skip_value()) return false;
        } else if (next_is('"')) {
          if (!scan_string(text.emplace(), Halves::kRefused)) return false;
        } else {
          text.reset();
          if (!skip_value()) return false;
        }
      } while (taken(','));
    }
    if (!take('}', "',' or '}'")) return false;
    skip_blanks();
    return at_ == line_.size() || wrong("the end of the line behind the JSON object");
  }

  // Any value, however deep, without recursion.
  bool skip_value() {
    std::string open;  // the brackets round the place that is being read
    std::string ignored;
    for (;;) {
      if (taken('{')) {
        open += '}';
        if (!next_is('}')) {
          if (!scan_key(ignored)) return false;
          continue;
        }
      } else if (taken('[')) {
        open += ']';
        if (!next_is(']')) continue;
      } else if (!skip_scalar()) {
        return false;
      }
      while (!open.empty() && taken(open.back())) open.pop_back();
      if (open.empty()) return true;
      if (!take(',', open.back() == '}' ? "',' or '}'" : "',' or ']'")) return false;
      if (open.back() == '}' && !scan_key(ignored)) return false;
    }
  }

  bool skip_scalar() {
    std::string ignored;
    if (next_is('"')) return scan_string(ignored, Halves::kReplaced);
    const size_t begin = at_;
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!line_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return true;
    }
    if (skip_number()) return true;
    if (at_ < line_.size()) at_ = begin;  // show the whole of it
    return wrong("a JSON value");
  }

  bool skip_digits() {
    const size_t begin = at_;
    while (at_ < line_.size() && line_[at_] >= '0' && line_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  bool skip_number() {
    if (is('-')) ++at_;
    if (is('0')) {
      ++at_;
    } else if (!skip_digits()) {
      return false;
    }
    if (is('.')) {
      ++at_;
      if (!skip_digits()) return false;
    }
    if (is('e') || is('E')) {
      ++at_;
      if (is('+') || is('-')) ++at_;
      if (!skip_digits()) return false;
    }
    return true;
  }

  bool scan_key(std::string& key) {
    if (!next_is('"')) return wrong("a JSON key in quotes");
    return scan_string(key, Halves::kReplaced) && take(':', "':' behind a JSON key");
  }

  // What becomes of half of a surrogate pair, which JSON can spell and UTF-8 cannot.
  enum class Halves { kReplaced, kRefused };

  // From the opening quote to behind the closing one.
  bool scan_string(std::string& out, Halves halves) {
    out.clear();
    ++at_;
    for (;;) {
      const size_t begin = at_;
      while (at_ < line_.size() && line_[at_] != '"' && line_[at_] != '\\' &&
             static_cast<unsigned char>(line_[at_]) >= 0x20) {
        ++at_;
      }
      out.append(line_, begin, at_ - begin);
      if (is('"')) break;
      if (!is('\\'))
        return wrong("a closing quote, or an escape for what JSON cannot hold as it is");
      if (!scan_escape(out, halves)) return false;
    }
    ++at_;
    return true;
  }

  bool scan_escape(std::string& out, Halves halves) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const size_t begin = at_++;
    const size_t which = at_ < line_.size() ? kNames.find(line_[at_]) : kNames.npos;
    if (which != kNames.npos) {
      ++at_;
      out += kValues[which];
      return true;
    }
    uint32_t value = 0;
    if (!scan_hex(value)) {
      if (at_ < line_.size()) at_ = begin;
      return wrong("a JSON escape");
    }
    if (is_half(value, 0xD800) && line_.substr(at_).starts_with("\\u")) {
      const size_t second = at_++;
      uint32_t low = 0;
      if (scan_hex(low) && is_half(low, 0xDC00)) {
        value = 0x10000 + ((value & 0x3FF) << 10 | (low & 0x3FF));
      } else {
        at_ = second;  // is looked at again, as what it is itself
      }
    }
    if (value >= 0xD800 && value < 0xE000) {
      if (halves == Halves::kRefused) {
        at_ = begin;
        return wrong("text: this is half of a surrogate pair");
      }
      value = 0xFFFD;
    }
    append_code_point(value, out);
    return true;
  }

  static bool is_half(uint32_t value, uint32_t first) { return (value & 0xFC00) == first; }

  // "u" and four hexadecimal digits.
  bool scan_hex(uint32_t& value) {
    if (!is('u')) return false;
    ++at_;
    value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ == line_.size()) return false;
      const char c = line_[at_];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  void skip_blanks() { at_ = std::min(line_.find_first_not_of(kBlanks, at_), line_.size()); }
  bool is(char c) const { return at_ < line_.size() && line_[at_] == c; }
  bool next_is(char c) {
    skip_blanks();
    return is(c);
  }
  bool taken(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  bool take(char c, const char* expected) { return taken(c) || wrong(expected); }

  // Always false.
  bool wrong(const char* expected) {
    const std::string found = describe(line_.substr(at_));
    problem_ = format("at byte {}: found {}, expected {}", at_ + 1, found, expected);
    return false;
  }

  static std::string describe(std::string_view rest) {
    if (rest.empty()) return "the end";
    if (rest[0] == '\0') return "a NUL byte";
    // A word, but no more of it than a message can hold.
    constexpr std::string_view kEnds = " \t\r\n,:{}[]";
    const size_t word = kEnds.find(rest[0]) != kEnds.npos ? 1 : rest.find_first_of(kEnds);
    const size_t end = std::min({word, rest.size(), size_t{12}});
    const size_t n = valid_utf8_prefix(rest.substr(0, end));
    if (n == 0) return format("the byte 0x{:02x}", static_cast<unsigned>(rest[0]) & 0xFF);
    return format("'{}'", rest.substr(0, n));
  }

  std::string_view line_;
  std::string_view key_;
  size_t at_ = 0;
  std::string problem_;
};

}  // namespace

JsonRecord scan_json_record(std::string_view line, std::string_view key) {
  return Scanner(line, key).scan();
}

PromptedText parse_json_line(std::string_view line, const std::string& where,
                             const RecordKeys& keys) {
  // Nothing where there is none; refuses what is no JSON.
  const auto value_of = [&](const std::string& key) {
    JsonRecord record = scan_json_record(line, key);
    if (record.problem.empty()) return std::move(record.text);
    throw BadDocument(format("[data] {}: not JSON {}", where, record.problem));
  };
  if (auto text = value_of(keys.text)) return {std::move(*text), 0};
  auto prompt = value_of(keys.prompt);
  const auto completion = value_of(keys.completion);
  if (prompt && completion) {
    const size_t n = prompt->size();
    return {std::move(*prompt) + *completion, n};
  }
  if (prompt || completion) {
    throw BadDocument(format("[data] {}: a text under \"{}\" and none under \"{}\", expected both",
                             where, prompt ? keys.prompt : keys.completion,
                             prompt ? keys.completion : keys.prompt));
  }
  throw BadDocument(
      format("[data] {}: no text under \"{}\", expected {{\"{}\": …}}, or {{\"{}\": …, \"{}\": …}}",
             where, keys.text, keys.text, keys.prompt, keys.completion));
}

}  // namespace lathe
