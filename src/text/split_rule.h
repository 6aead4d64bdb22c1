// One step of pre-tokenisation, as tokenizer files have it.
#pragma once

#include <string>
#include <utility>

namespace lathe {

struct SplitRule {
  enum class Keep {
    kAll,      // matches and what lies between them are pieces
    kMatches,  // what lies between is dropped
    kRest,     // the matches are dropped
  };

  // Converting: most rules are only a pattern.
  SplitRule(std::string the_pattern, Keep what = Keep::kAll)
      : pattern(std::move(the_pattern)), keep(what) {}
  SplitRule(const char* the_pattern) : pattern(the_pattern) {}
  bool operator==(const SplitRule&) const = default;

  std::string pattern;  // in the syntax of Hugging Face tokenizers
  Keep keep = Keep::kAll;
};

}  // namespace lathe
