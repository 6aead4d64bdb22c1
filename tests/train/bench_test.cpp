// lathe bench ffn: its rows by hand, and as a program.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "model/linear_spec.h"
#include "support/error_text.h"
#include "support/run_program.h"
#include "train/bench/ffn.h"

using namespace lathe;
using namespace lathe::train;

namespace {

BenchFfnSpec small_bench() {
  BenchFfnSpec spec;
  spec.widths = {64};
  spec.tokens = {8, 40};
  spec.repeats = 1;
  spec.threads = 1;
  return spec;
}

}  // namespace

TEST_CASE("bench ffn: every setting of every kind for every size, after dense, with the counts") {
  int threads = 0;
  const auto rows = bench_ffn(small_bench(), &threads);
  CHECK(threads == 1);
  // By hand at width d = 64, d² = 4096, up and down with 5·d biases; limits are dense 8·d² over:
  //   low_rank r: 2·5·d·r;  block_dense r in 4 blocks: 5·r·d + 5·r·d/4;  block_shuffle b: 10·d²/b
  struct Want {
    const char* kind;
    i64 share, rank, blocks, weights;
  };
  const Want wants[] = {{"dense", 100, 0, 0, 32768},       {"low_rank", 63, 32, 0, 20480},
                        {"low_rank", 32, 16, 0, 10240},    {"block_dense", 63, 48, 4, 19200},
                        {"block_dense", 32, 24, 4, 9600},  {"block_shuffle", 63, 0, 2, 20480},
                        {"block_shuffle", 32, 0, 4, 10240}};
  REQUIRE(rows.size() == 2 * std::size(wants));
  for (size_t i = 0; i < rows.size(); ++i) {
    const BenchFfnRow& row = rows[i];
    const Want& want = wants[i % std::size(wants)];
    CAPTURE(want.kind);
    CAPTURE(want.share);
    CHECK(row.width == 64);
    CHECK(row.tokens == (i < std::size(wants) ? 8 : 40));
    CHECK(row.kind == want.kind);
    CHECK(row.share == want.share);
    CHECK(row.rank == want.rank);
    CHECK(row.blocks == want.blocks);
    CHECK(row.params == want.weights + 5 * 64);
    CHECK(row.limit == doctest::Approx(32768.0 / static_cast<double>(want.weights)));
    CHECK(row.forward_ms > 0);
    CHECK(row.step_ms > 0);
    CHECK(row.guided_ms == 0);
    const BenchFfnRow& dense = rows[i / std::size(wants) * std::size(wants)];
    CHECK(row.forward_speed == doctest::Approx(dense.forward_ms / row.forward_ms));
    CHECK(row.step_speed == doctest::Approx(dense.step_ms / row.step_ms));
  }
}

TEST_CASE("bench ffn: a step holds at least its activations, and no second layer's") {
  BenchFfnSpec spec = small_bench();
  spec.widths = {256};
  spec.tokens = {512};
  spec.precision = Precision::kF32;
  int threads = 0;
  for (const BenchFfnRow& row : bench_ffn(spec, &threads)) {
    CAPTURE(row.kind);
    // The inner vector before and after the activation; eight times that covers the gradients, the
    // shuffles' copies and dense gradients of weights.
    const double inner = 2.0 * 512 * 1024 * sizeof(float) / (1 << 20);
    CHECK(row.step_mib > inner);
    CHECK(row.step_mib < 8 * inner);
  }
}

TEST_CASE("bench ffn: --guided times a step beside the dense matrices") {
  BenchFfnSpec spec = small_bench();
  spec.tokens = {40};
  spec.kinds = {"block_shuffle"};
  spec.guided = true;
  int threads = 0;
  const auto rows = bench_ffn(spec, &threads);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].guided_ms == 0);
  CHECK(rows[1].guided_ms > 0);
  CHECK(rows[1].guidance_cost != 0);
}

TEST_CASE("bench ffn: a width that the kinds' blocks do not divide is refused") {
  BenchFfnSpec spec = small_bench();
  spec.widths = {66};
  int threads = 0;
  const std::string error = test::error_text([&] { bench_ffn(spec, &threads); });
  CHECK(error.find("n_blocks 4 does not divide") != std::string::npos);
}

TEST_CASE("lathe bench ffn: a table for people, rows as JSON, usage errors with status 2") {
  using test::run_program;
  const std::string lathe = LATHE_BIN_DIR "/lathe";
  const std::vector<std::string> small = {lathe, "bench",     "ffn", "--width",   "64", "--tokens",
                                          "8",   "--repeats", "1",   "--threads", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), small.begin(), small.end());
    return run_program(more);
  };
  const auto table = with({"--tokens", "16", "--kind", "low_rank"});
  CHECK(table.status == 0);
  for (const char* part : {"width 64, 8 tokens", "width 64, 16 tokens", "low_rank 63 %", "limit"}) {
    CHECK(table.out.find(part) != std::string::npos);
  }
  CHECK(table.out.find("block_dense") == std::string::npos);
  const auto rows = nlohmann::json::parse(with({"--json", "--kind", "block_dense"}).out);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0]["kind"] == "dense");
  CHECK(rows[2]["kind"] == "block_dense");
  CHECK(rows[2]["n_blocks"] == 4);
  CHECK(rows[2]["params"] == 9600 + 320);
  CHECK(rows[2]["step_ms"].get<double>() > 0);
  CHECK(with({"--kind", "dense"}).status == 2);
  CHECK(with({"--repeats", "0"}).status == 2);
}
