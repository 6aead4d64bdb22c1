// Added tokens that are looked for in text.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "text/bpe_definition.h"

namespace lathe {

// Finds them from the left, and where several begin at one place the longest.
class AddedTokens {
 public:
  bool empty() const { return tokens_.empty(); }

  // `content` is not empty.
  void add(BpeDefinition::AddedToken token) {
    starts_[static_cast<uint8_t>(token.content[0])] = true;
    const auto shorter = std::find_if(tokens_.begin(), tokens_.end(), [&](const auto& other) {
      return other.content.size() < token.content.size();
    });
    tokens_.insert(shorter, std::move(token));
  }

  // Calls section(text) for what lies between tokens, if anything, and token(id) for each, in
  // order.
  template <class Section, class Token>
  void split(std::string_view text, Section&& section, Token&& token) const {
    while (!text.empty()) {
      const BpeDefinition::AddedToken* found = nullptr;
      const size_t at = tokens_.empty() ? text.size() : next(text, found);
      if (at > 0) section(text.substr(0, at));
      if (found == nullptr) break;
      token(found->id);
      text.remove_prefix(at + found->content.size());
    }
  }

 private:
  // Where the first token of `text` begins (its size: none), and which one it is.
  size_t next(std::string_view text, const BpeDefinition::AddedToken*& found) const {
    for (size_t at = 0; at < text.size(); ++at) {
      if (!starts_[static_cast<uint8_t>(text[at])]) continue;
      for (const auto& token : tokens_) {
        if (!text.substr(at).starts_with(token.content)) continue;
        found = &token;
        return at;
      }
    }
    return text.size();
  }

  std::vector<BpeDefinition::AddedToken> tokens_;  // longest first
  std::array<bool, 256> starts_{};                 // first bytes
};

}  // namespace lathe
