// lathe bench prefill and decode: what was measured, and how it is printed.
#pragma once

#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/integer.h"

namespace lathe {

// One line of the table.
struct EngineBenchRow {
  std::string model;  // as it was named
  std::string type;   // of its matrices
  i64 n_params = 0, n_bytes = 0;
  int threads = 0;
  i64 n_prompt = 0, n_generated = 0, depth = 0;
  DType cache = DType::kF32;
  std::vector<double> seconds;  // of each repetition, in their order
  double start = 0;             // of the first, seconds since 1970
  // What the machine gave at most in this run, and what the test needs a second: bytes when
  // generating, FLOPs in a prompt; 0: not known.
  double limit = 0, needed = 0;

  i64 n_tokens() const { return n_prompt + n_generated; }
  // Tokens a second by the median repetition.
  double speed() const;
};

enum class BenchFormat { kMd, kJson, kJsonl, kCsv };
constexpr auto names_of(BenchFormat) {
  return enum_names<BenchFormat>("md", "json", "jsonl", "csv");
}

// llama-bench's fields, those of them that mean something here, and median_ts and share_of_limit.
std::string engine_bench_text(const std::vector<EngineBenchRow>& rows, BenchFormat format);

}  // namespace lathe
