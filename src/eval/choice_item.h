// A question of a multiple-choice benchmark as a model is asked it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_names.h"
#include "base/integer.h"

namespace lathe {

// How questions become texts, and texts scores.
enum class Protocol {
  kHarness,        // EleutherAI's lm-evaluation-harness: ln p(continuation | context)
  kGptVariations,  // the scripts beside arXiv 2404.14462, as they are
};
// By hand, for the sake of the hyphen in the project's name.
constexpr std::array<std::string_view, 2> names_of(Protocol) {
  return {"harness", "gpt-variations"};
}

// One choice: how likely is the continuation behind the context?
struct Choice {
  std::string context, continuation;
  i64 n_characters = 1;  // of the choice's text, in code points: what acc_norm divides by
  bool operator==(const Choice&) const = default;
};

struct ChoiceItem {
  i64 doc = 0;  // its place in the file, from 0
  std::vector<Choice> choices;
  size_t gold = 0;  // the right one
  bool operator==(const ChoiceItem&) const = default;
};

// The item whose choices all continue one context, each behind a space.
ChoiceItem make_item(const std::string& context, const std::vector<std::string>& choices,
                     size_t gold);

}  // namespace lathe
