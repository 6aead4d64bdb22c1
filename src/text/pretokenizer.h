// Splits text into the pieces within which byte-pair encoding merges: by regular expressions (PCRE2
// with its JIT), or for the patterns of GPT-2, SmolLM, Llama 3 and Qwen 2 by splitters of their
// own.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/gpt2_splitter.h"
#include "text/llama3_splitter.h"
#include "text/split_rule.h"

namespace lathe {

// The pattern of GPT-2 and of every tokenizer that lathe trains.
extern const char* const kGpt2Pattern;

// Those of Llama 3 and of Qwen 2.
extern const char* const kLlama3Pattern;
extern const char* const kQwen2Pattern;

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

  // The rules that have a splitter.
  enum class Known { kNone, kGpt2, kDigitsAndGpt2, kLlama3, kQwen2 };

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
        if (valid > 0) split_known(text.substr(0, valid), take);
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
    void split_known(std::string_view text, Take&& take) {
      switch (known_) {
        case Known::kGpt2:
          Gpt2Splitter(text, Gpt2Rule::kPlain, make_masks_).split(take);
          break;
        case Known::kDigitsAndGpt2:
          Gpt2Splitter(text, Gpt2Rule::kDigitsApart, make_masks_).split(take);
          break;
        case Known::kLlama3:
          Llama3Splitter(text, 3).split(take);
          break;
        case Known::kQwen2:
          Llama3Splitter(text, 1).split(take);
          break;
        case Known::kNone:
          choose_tables(text);
          split_valid(text, 0, take);
      }
    }

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
    Known known_;
    MakeByteMasks make_masks_;
  };

 private:
  static Known known(const std::vector<SplitRule>& rules);
  struct Pattern;
  std::vector<Pattern> patterns_;  // none where known_ says who does their work
  Known known_;
  MakeByteMasks make_masks_;
};

}  // namespace lathe
