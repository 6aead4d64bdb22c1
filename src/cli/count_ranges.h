// The whole numbers that options take: the check of every one of them, since CLI11 reads what is
// beyond 64 bits as the nearest number that fits, and a leading 0 as octal.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

#include "base/error.h"
#include "base/numeric.h"

namespace lathe {

class WholeNumbers : public CLI::Validator {
 public:
  // From `least` to `most`; `name` stands in the help ("": nothing).
  WholeNumbers(i64 least, i64 most, const std::string& name = "") : Validator(name) {
    func_ = [least, most](std::string& text) -> std::string {
      i64 value = 0;
      const char* end = text.data() + text.size();
      const auto read = std::from_chars(text.data(), end, value);
      const bool beyond = read.ec == std::errc::result_out_of_range && read.ptr == end;
      if (!beyond && (read.ec != std::errc() || read.ptr != end)) {
        return format("'{}' is no whole number", text);
      }
      if (!beyond && value >= least && value <= most) return "";
      return format("{} is out of range, expected {} to {}", text, least, most);
    };
  }
};

inline const WholeNumbers kWholeNumber(INT64_MIN, INT64_MAX);
inline const WholeNumbers kPositiveCount(1, i64{1} << 40, "POSITIVE");
inline const WholeNumbers kCount(0, i64{1} << 40, "NONNEGATIVE");
inline const WholeNumbers kThreads(1, 1024);

}  // namespace lathe
