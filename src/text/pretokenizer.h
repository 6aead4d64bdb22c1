// Splits text into the pieces within which byte-pair encoding merges: by regular expressions (PCRE2
// with its JIT), or for the patterns of GPT-2 and SmolLM by a splitter of their own.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/gpt2_splitter.h"
#include "text/split_rule.h"

namespace lathe {

// The pattern of GPT-2 and of every tokenizer that lathe trains.
extern const char* const kGpt2Pattern;

// Const after construction. Each thread needs a Matcher of its own.
class Pretokenizer {
 public:
  // Each rule splits the pieces that the one before leaves. No rule: the text is one piece. Throws
  // Error for a pattern that PCRE2 would read otherwise, and for one of LATHE_CPU_ISA's
  // (active_isa()).
  explicit Pretokenizer(const std::vector<SplitRule>& rules);
  ~Pretokenizer();
  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;

  // The match state of one thread; borrows its Pretokenizer.
  class Matcher {
   public:
    explicit Matcher(const Pretokenizer& owner);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;

    // Calls take(piece) for each piece of `text`, in order; without gaps, where no rule drops
    // anything. The text may be any bytes: a run of bytes that are not UTF-8 is a piece.
    template <class Take>
    void split(std::string_view text, Take&& take) {
      while (!text.empty()) {
        const size_t valid = valid_prefix(text);
        if (valid > 0 && gpt2_rule_) {
          Gpt2Splitter(text.substr(0, valid), *gpt2_rule_, make_masks_).split(take);
        } else if (valid > 0) {
          choose_tables(text.substr(0, valid));
          split_valid(text.substr(0, valid), 0, take);
        }
        text.remove_prefix(valid);
        const size_t invalid = invalid_prefix(text);
        if (invalid > 0) take(text.substr(0, invalid));
        text.remove_prefix(invalid);
      }
    }

   private:
    struct Range {
      size_t begin, end;
    };
    static size_t valid_prefix(std::string_view text);
    static size_t invalid_prefix(std::string_view text);
    // For what split_valid() gets next.
    void choose_tables(std::string_view text);
    // The next non-empty match of pattern `level` in text[from, …), or {size, size}.
    Range next_match(size_t level, std::string_view text, size_t from);
    SplitRule::Keep keep(size_t level) const;

    template <class Take>
    void split_valid(std::string_view text, size_t level, Take&& take) {
      if (level == n_levels_) {
        take(text);
        return;
      }
      size_t done = 0;
      while (done < text.size()) {
        const Range match = next_match(level, text, done);
        if (match.begin > done && keep(level) != SplitRule::Keep::kMatches) {
          split_valid(text.substr(done, match.begin - done), level + 1, take);
        }
        if (match.end > match.begin && keep(level) != SplitRule::Keep::kRest) {
          split_valid(text.substr(match.begin, match.end - match.begin), level + 1, take);
        }
        done = match.end;
      }
    }

    struct State;
    std::unique_ptr<State> state_;
    size_t n_levels_;
    std::optional<Gpt2Rule> gpt2_rule_;
    MakeByteMasks make_masks_;
  };

 private:
  struct Pattern;
  std::vector<Pattern> patterns_;  // none where gpt2_rule_ does their work
  std::optional<Gpt2Rule> gpt2_rule_;
  MakeByteMasks make_masks_;
};

}  // namespace lathe
