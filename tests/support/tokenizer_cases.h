// The cases by which llama.cpp tests its tokenizers.
#pragma once

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "text/tokenizer.h"

namespace lathe::test {

struct TokenizerCase {
  std::string text;
  std::vector<int32_t> ids;
};

// A .inp file (texts between lines that say __ggml_vocab_test__) and its .out (ids, a line a text).
inline std::vector<TokenizerCase> load_cases(const std::string& input, const std::string& output) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string texts = read_text_file(input);
  std::istringstream lines(read_text_file(output));
  std::vector<TokenizerCase> cases;
  for (std::string line; std::getline(lines, line);) {
    const size_t end = texts.find(separator);
    TokenizerCase c{texts.substr(0, end), {}};
    std::istringstream ids(line);
    for (int32_t id; ids >> id;) c.ids.push_back(id);
    cases.push_back(std::move(c));
    texts.erase(0, end == std::string::npos ? end : end + separator.size());
  }
  return cases;
}

inline void check_cases(const Tokenizer& tokenizer, const std::vector<TokenizerCase>& cases) {
  REQUIRE(cases.size() == 46);
  for (const TokenizerCase& c : cases) {
    CAPTURE(c.text);
    CHECK(tokenizer.encode(c.text) == c.ids);
    CHECK(tokenizer.decode(c.ids) == c.text);
  }
}

}  // namespace lathe::test
