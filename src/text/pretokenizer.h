// Splits text into the pieces within which byte-pair encoding merges, by regular expressions
// (PCRE2 with its JIT).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

// The pattern of GPT-2 and of every tokenizer that lathe trains.
extern const char* const kGpt2Pattern;

// Const after construction. Each thread needs a Matcher of its own.
class Pretokenizer {
 public:
  // Patterns in the syntax that Hugging Face tokenizers use; each one splits the pieces that the
  // one before leaves: what it matches is a piece, and so is what lies between two matches.
  // No pattern: the text is one piece. Throws Error for a pattern that PCRE2 would read otherwise.
  explicit Pretokenizer(const std::vector<std::string>& patterns);
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

    // Calls take(piece) for each piece of `text`, in order and without gaps. The text may be any
    // bytes: a run of bytes that are not UTF-8 is a piece.
    template <class Take>
    void split(std::string_view text, Take&& take) {
      while (!text.empty()) {
        const size_t valid = valid_prefix(text);
        if (valid > 0) {
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

    template <class Take>
    void split_valid(std::string_view text, size_t level, Take&& take) {
      if (level == n_levels_) {
        take(text);
        return;
      }
      size_t done = 0;
      while (done < text.size()) {
        const Range match = next_match(level, text, done);
        if (match.begin > done) {
          split_valid(text.substr(done, match.begin - done), level + 1, take);
        }
        if (match.end > match.begin) {
          split_valid(text.substr(match.begin, match.end - match.begin), level + 1, take);
        }
        done = match.end;
      }
    }

    struct State;
    std::unique_ptr<State> state_;
    size_t n_levels_;
  };

 private:
  struct Pattern;
  std::vector<Pattern> patterns_;
};

}  // namespace lathe
