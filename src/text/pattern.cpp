#include "text/pattern.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "text/unicode_changes.h"

namespace lathe {
namespace {

// White_Space is the separators and these controls. PCRE2's own \s adds U+180E.
constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";

constexpr std::string_view kCategories[] = {
    "c",  "cc", "cf", "cn", "co", "cs", "l",  "ll", "lm", "lo", "lt", "lu", "m",
    "mc", "me", "mn", "n",  "nd", "nl", "no", "p",  "pc", "pd", "pe", "pf", "pi",
    "po", "ps", "s",  "sc", "sk", "sm", "so", "z",  "zl", "zp", "zs"};

std::string lower(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == ' ' || c == '_' || c == '-') continue;
    result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

// A set of characters: `members` may stand in a class; where a class cannot say it, `alternative`
// matches one of its characters by itself, and `members` is empty.
struct CharacterSet {
  std::string members, alternative;
};

// Always a range, since a hyphen may follow.
void append_range(const UnicodeChange& change, std::string& out) {
  char text[40];
  std::snprintf(text, sizeof text, "\\x{%x}-\\x{%x}", static_cast<unsigned>(change.first),
                static_cast<unsigned>(change.last));
  out += text;
}

class Translation {
 public:
  Translation(std::string_view pattern, UnicodeTables tables)
      : pattern_(pattern), tables_(tables) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        const CharacterSet set = escape(false);
        out_ += set.alternative.empty() ? set.members : set.alternative;
      } else if (c == '[') {
        character_class();
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  void character_class() {
    ++at_;
    const bool negated = at_ < pattern_.size() && pattern_[at_] == '^';
    if (negated) ++at_;
    std::string members, alternatives;
    for (bool first = true;; first = false) {
      if (at_ == pattern_.size()) {
        fail("[tokenizer] the pre-tokenizer pattern '{}' has a class without an end", pattern_);
      }
      const char c = pattern_[at_];
      if (c == ']' && !first) break;
      // Nested classes and && are set operations in the one engine and plain characters in PCRE2.
      if (c == '[' || pattern_.substr(at_, 2) == "&&") {
        fail(
            "[tokenizer] the pre-tokenizer pattern '{}' has a class within a class, which is not "
            "supported",
            pattern_);
      }
      if (c != '\\') {
        members += c;
        ++at_;
        continue;
      }
      const CharacterSet set = escape(true);
      members += set.members;
      if (!set.alternative.empty()) {
        alternatives += (alternatives.empty() ? "" : "|") + set.alternative;
      }
    }
    ++at_;
    if (alternatives.empty()) {
      out_ += (negated ? "[^" : "[") + members + "]";
    } else if (negated) {
      out_ +=
          "(?:(?!" + alternatives + ")" + (members.empty() ? "(?s:.)" : "[^" + members + "]") + ")";
    } else {
      out_ += "(?:" + (members.empty() ? "" : "[" + members + "]|") + alternatives + ")";
    }
  }

  // What a backslash begins. Outside a class `members` is whole as it stands.
  CharacterSet escape(bool in_class) {
    const size_t begin = at_;
    const char c = ++at_ < pattern_.size() ? pattern_[at_] : '\0';
    ++at_;
    const bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    CharacterSet set;
    if (c == 's') {
      set.members = kSpace;
    } else if (c == 'S') {
      set.alternative = "[^" + std::string(kSpace) + "]";
    } else if (c == 'd' || c == 'D') {
      set = category("Nd", "nd", c == 'D');
    } else if ((c == 'p' || c == 'P') && at_ < pattern_.size() && pattern_[at_] == '{') {
      set = property(c == 'P');
    } else if (c != '\0' &&
               (!letter_or_digit || std::string_view("rntfx").find(c) != std::string_view::npos)) {
      set.members = std::string{'\\', c};
      return set;
    } else {
      fail("[tokenizer] the pre-tokenizer pattern '{}' uses '{}'{}, which is not supported",
           pattern_, pattern_.substr(begin, 2), in_class ? " in a class" : "");
    }
    if (!in_class && set.alternative.empty()) set.members = "[" + set.members + "]";
    return set;
  }

  // From the brace behind \p on.
  CharacterSet property(bool negated) {
    const size_t end = std::min(pattern_.find('}', at_), pattern_.size());
    std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
    at_ = std::min(end + 1, pattern_.size());
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    const std::string key = lower(name);
    if (std::find(std::begin(kCategories), std::end(kCategories), key) != std::end(kCategories)) {
      return category(name, key, negated);
    }
    CharacterSet set;
    if (key == "any") {
      (negated ? set.alternative : set.members) = R"([^\x{0}-\x{10ffff}])";
      if (!negated) set.members = R"(\x{0}-\x{10ffff})";
      return set;
    }
    if (key == "unknown" || key == "zzzz") {
      fail("[tokenizer] the pre-tokenizer pattern '{}' uses \\p{{{}}}, which is not supported",
           pattern_, name);
    }
    set.members = "\\p{sc:" + std::string(name) + "}";
    for (const UnicodeChange& change : changes()) {
      if (change.script == key || change.script_code == key) append_range(change, set.members);
    }
    return negated ? CharacterSet{"", "[^" + set.members + "]"} : set;
  }

  // A general category by its name in the pattern and in lower case.
  CharacterSet category(std::string_view name, std::string_view key, bool negated) const {
    const auto has = [&](std::string_view category) { return lower(category).starts_with(key); };
    std::string members = "\\p{" + std::string(name) + "}", lost;
    for (const UnicodeChange& change : changes()) {
      if (has(change.now)) append_range(change, members);
      if (has(change.before) && !has(change.now)) append_range(change, lost);
    }
    if (lost.empty()) {
      return negated ? CharacterSet{"", "[^" + members + "]"} : CharacterSet{members, ""};
    }
    if (negated) return {"", "(?:[" + lost + "]|[^" + members + "])"};
    return {"", "(?:(?![" + lost + "])[" + members + "])"};
  }

  std::span<const UnicodeChange> changes() const {
    return tables_ == UnicodeTables::kCurrent ? unicode_changes()
                                              : std::span<const UnicodeChange>();
  }

  std::string_view pattern_;
  UnicodeTables tables_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_pattern(std::string_view pattern, UnicodeTables tables) {
  return Translation(pattern, tables).run();
}

}  // namespace lathe
