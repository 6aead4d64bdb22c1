// Encoding on one thread: files cut into documents of 4 kB, cold (a tokenizer that has seen no
// text) and warm, and a megabyte each of what tokenizers find hard.
//
//   bench_tokenizer TOKENIZER ROUNDS [TEXT…]
//
// Prints medians of ROUNDS, with slowest and fastest, in MB/s (1e6 bytes), and how many tokens came
// out. bench/tokenizer_against_others.py runs it in turns with Python's tokenizers.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace {

using namespace lathe;
using Documents = std::vector<std::string>;

constexpr size_t kDocumentBytes = 4096;
constexpr size_t kHostileBytes = 1'000'000;

// Ends where a character ends.
void append_documents(std::string_view text, Documents& documents) {
  while (!text.empty()) {
    size_t n = std::min(kDocumentBytes, text.size());
    while (n < text.size() && (static_cast<uint8_t>(text[n]) & 0xC0) == 0x80) ++n;
    documents.emplace_back(text.substr(0, n));
    text.remove_prefix(n);
  }
}

struct Hostile {
  const char* name;
  std::string text;
};

template <class Next>
std::string fill(Next&& next) {
  std::string text;
  while (text.size() < kHostileBytes) next(text);
  return text;
}

std::vector<Hostile> hostile_texts() {
  std::mt19937 random(1);
  const auto pick = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  const auto put = [&](char from, uint32_t n) {
    return [&, from, n](std::string& text) {
      text += static_cast<char>(from + static_cast<char>(pick(n)));
    };
  };
  const auto code_points = [&](uint32_t from, uint32_t n) {
    return [&, from, n](std::string& text) { append_code_point(from + pick(n), text); };
  };
  const char* const words[] = {"the", "of", "tokenizer", "and", "speed", "cat", "in", "zebra"};
  return {
      {"one letter", std::string(kHostileBytes, 'a')},
      {"random letters", fill(put('a', 26))},
      {"random words of letters", fill([&](std::string& text) {
         for (uint32_t n = 1 + pick(15); n > 0; --n) put('a', 26)(text);
         text += ' ';
       })},
      {"digits", fill(put('0', 10))},
      {"no spaces", fill([&](std::string& text) { text += words[pick(8)]; })},
      {"random bytes", fill([&](std::string& text) { text += static_cast<char>(pick(256)); })},
      {"spaces", std::string(kHostileBytes, ' ')},
      {"emoji", fill(code_points(0x1F600, 80))},
      {"CJK", fill(code_points(0x4E00, 20902))},
  };
}

struct Timed {
  double mb_per_s;
  size_t n_tokens;
};

Timed encode_all(const Tokenizer& tokenizer, const Documents& documents) {
  size_t n_bytes = 0, n_tokens = 0;
  std::vector<int32_t> ids;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& document : documents) {
    ids.clear();
    tokenizer.append_ids(document, ids);
    n_bytes += document.size();
    n_tokens += ids.size();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {static_cast<double>(n_bytes) / 1e6 / took.count(), n_tokens};
}

void print(const char* name, std::vector<Timed>& runs) {
  std::sort(runs.begin(), runs.end(),
            [](const Timed& a, const Timed& b) { return a.mb_per_s < b.mb_per_s; });
  std::printf("%-24s %8.1f MB/s  (%.1f to %.1f)  %zu tokens\n", name,
              runs[runs.size() / 2].mb_per_s, runs.front().mb_per_s, runs.back().mb_per_s,
              runs[0].n_tokens);
  std::fflush(stdout);
}

void run(const std::string& tokenizer, int n_rounds, const Documents& corpus) {
  std::vector<Timed> cold, warm;
  for (int round = 0; round < n_rounds && !corpus.empty(); ++round) {
    const auto fresh = load_tokenizer(tokenizer);
    cold.push_back(encode_all(*fresh, corpus));
    warm.push_back(encode_all(*fresh, corpus));
  }
  if (!corpus.empty()) {
    print("files, cold", cold);
    print("files, warm", warm);
  }
  for (const Hostile& hostile : hostile_texts()) {
    std::vector<Timed> runs;
    for (int round = 0; round < n_rounds; ++round) {
      runs.push_back(encode_all(*load_tokenizer(tokenizer), {hostile.text}));
    }
    print(hostile.name, runs);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_tokenizer TOKENIZER ROUNDS [TEXT…]\n");
    return 2;
  }
  try {
    Documents corpus;
    for (int i = 3; i < argc; ++i) append_documents(read_text_file(argv[i]), corpus);
    run(argv[1], std::max(1, std::atoi(argv[2])), corpus);
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
