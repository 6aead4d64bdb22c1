#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "text/pattern.h"
#include "text/unicode_changes.h"

namespace lathe {
namespace {

constexpr size_t kMaxStackBytes = size_t{8} << 20;

struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct FreeData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2Pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                                  R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

struct Compiled {
  std::unique_ptr<pcre2_code, FreeCode> code;
  bool jit = false;
};

Compiled compile(const std::string& pattern, UnicodeTables tables) {
  const std::string translated = translate_pattern(pattern, tables);
  int error = 0;
  size_t offset = 0;
  // MULTILINE: in the tokenizers' engine ^ and $ always match at line ends.
  Compiled compiled;
  compiled.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                    translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                                    &error, &offset, nullptr));
  if (!compiled.code) {
    fail("[tokenizer] the pre-tokenizer pattern '{}' does not compile: {}, at byte {}", pattern,
         message_of(error), offset);
  }
  // Without the JIT (an exotic machine) the interpreter finds the same matches.
  compiled.jit = pcre2_jit_compile(compiled.code.get(), PCRE2_JIT_COMPLETE) == 0;
  return compiled;
}

}  // namespace

// The same pattern twice: what Unicode 16 adds to a class makes it slow to match, and is in few
// texts.
struct Pretokenizer::Pattern {
  SplitRule::Keep keep;
  Compiled common;   // for text without a unicode_changes() character
  Compiled current;  // for every text
};

struct Pretokenizer::Matcher::State {
  const std::vector<Pattern>* patterns;
  std::unique_ptr<pcre2_match_data, FreeData> data;
  std::unique_ptr<pcre2_jit_stack, FreeStack> stack;
  std::unique_ptr<pcre2_match_context, FreeContext> context;
  bool needs_current = false;  // the text at hand
};

Pretokenizer::Pretokenizer(const std::vector<SplitRule>& rules)
    : known_(known(rules)), make_masks_(byte_masks_function(active_isa())) {
  if (known_ != Known::kNone) return;
  for (const SplitRule& rule : rules) {
    patterns_.push_back({rule.keep, compile(rule.pattern, UnicodeTables::kLibrary),
                         compile(rule.pattern, UnicodeTables::kCurrent)});
  }
}

Pretokenizer::Known Pretokenizer::known(const std::vector<SplitRule>& rules) {
  // These patterns match everywhere, so that nothing lies between matches.
  const auto is = [&rules](size_t i, const char* pattern) {
    return rules[i].pattern == pattern && rules[i].keep != SplitRule::Keep::kRest;
  };
  if (rules.size() == 1) {
    if (is(0, kGpt2Pattern)) return Known::kGpt2;
    if (is(0, kLlama3Pattern)) return Known::kLlama3;
    if (is(0, kQwen2Pattern)) return Known::kQwen2;
  }
  if (rules.size() == 2 && rules[0] == SplitRule(R"(\p{N})") && is(1, kGpt2Pattern)) {
    return Known::kDigitsAndGpt2;
  }
  return Known::kNone;
}

Pretokenizer::~Pretokenizer() = default;
Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;

Pretokenizer::Matcher::Matcher(const Pretokenizer& owner)
    : state_(std::make_unique<State>()),
      n_levels_(owner.patterns_.size()),
      known_(owner.known_),
      make_masks_(owner.make_masks_) {
  state_->patterns = &owner.patterns_;
  state_->data.reset(pcre2_match_data_create(1, nullptr));
  state_->stack.reset(pcre2_jit_stack_create(size_t{32} << 10, kMaxStackBytes, nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  if (!state_->data || !state_->stack || !state_->context) throw std::bad_alloc();
  pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
}

Pretokenizer::Matcher::~Matcher() = default;

SplitRule::Keep Pretokenizer::Matcher::keep(size_t level) const {
  return (*state_->patterns)[level].keep;
}

size_t Pretokenizer::Matcher::valid_prefix(std::string_view text) {
  return valid_utf8_prefix(text);
}

void Pretokenizer::Matcher::choose_tables(std::string_view text) {
  state_->needs_current = has_unicode_change(text);
}

size_t Pretokenizer::Matcher::invalid_prefix(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && read_code_point(text.substr(n)).length == 0) ++n;
  return n;
}

Pretokenizer::Matcher::Range Pretokenizer::Matcher::next_match(size_t level, std::string_view text,
                                                               size_t from) {
  const Pattern& both = (*state_->patterns)[level];
  const Compiled& pattern = state_->needs_current ? both.current : both.common;
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = pattern.jit ? pcre2_jit_match : pcre2_match;
  // The text has been checked to be UTF-8, and JIT matching never checks.
  const int found =
      match(pattern.code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY,
            state_->data.get(), state_->context.get());
  if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
  if (found < 0) {
    fail(
        "[tokenizer] the pre-tokenizer pattern gave up on a text of {} bytes: {}; simplify the "
        "pattern or split the text",
        text.size(), message_of(found));
  }
  const size_t* range = pcre2_get_ovector_pointer(state_->data.get());
  return {range[0], range[1]};
}

}  // namespace lathe
