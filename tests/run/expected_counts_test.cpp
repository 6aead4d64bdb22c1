// Both papers' published and recomputed counts (LATHE_SHARED/reference/expected_counts.csv) against
// what the plan gives, by preset.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "model/presets.h"
#include "run/training_cost.h"

using namespace lathe;

namespace {

struct Row {
  std::string config, variant, source;
  double total, ffn, flops;
};

std::vector<Row> read_rows(const std::string& path) {
  std::vector<Row> rows;
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::stringstream fields(line);
    std::string total, ffn, flops;
    Row row;
    std::getline(fields, row.config, ',');
    std::getline(fields, row.variant, ',');
    std::getline(fields, total, ',');
    std::getline(fields, ffn, ',');
    std::getline(fields, flops, ',');
    std::getline(fields, row.source);
    row.total = total.empty() ? 0 : std::stod(total);
    row.ffn = ffn.empty() ? 0 : std::stod(ffn);
    row.flops = flops.empty() ? 0 : std::stod(flops);
    rows.push_back(row);
  }
  return rows;
}

// "lowrank-32(r=192)+SGT fixedflop r0.3" → preset suffix, guide mode and share.
struct Case {
  std::string preset;
  GuideMode guide = GuideMode::kOff;
  double share = 0;
  bool eight_layers = false, one_path = false;
};

Case case_of(const Row& row) {
  Case c;
  std::string base = row.config;
  if (const size_t at = base.find("-SGT"); at != std::string::npos) base.resize(at);
  if (base == "gptvar-12L-768d" || base == "gptvar-8L-512d") {
    c.eight_layers = base == "gptvar-8L-512d";
    c.one_path = row.variant.starts_with("pgpt-1");
    c.preset = (c.one_path ? "pgpt" : row.variant) + "-124m";
    return c;
  }
  if (base == "gpt2-m-GQA")
    c.preset = "gpt2-m-gqa";
  else if (base == "gpt2-l-GQA")
    c.preset = "gpt2-l-gqa";
  else if (base == "gpt2-m-WS")
    c.preset = "wide-structured-m";
  else if (base == "gpt2-l-WS")
    c.preset = "wide-structured-l";
  else {
    c.preset = base;
    for (const char* kind : {"lowrank", "blockdense", "blockshuffle"}) {
      for (const char* percent : {"63", "32"}) {
        if (row.variant.starts_with(std::string(kind) + "-" + percent)) {
          c.preset += "-" + std::string(kind) + percent;
        }
      }
    }
  }
  if (const size_t at = row.variant.find("+SGT "); at != std::string::npos) {
    const std::string guide = row.variant.substr(at + 5);
    c.guide = guide.starts_with("fixedflop") ? GuideMode::kFixedFlops : GuideMode::kFixedSteps;
    c.share = std::stod(guide.substr(guide.find(" r") + 2));
  }
  return c;
}

}  // namespace

TEST_CASE("every formula row of both papers: parameters exactly, FLOPs to five digits") {
  const char* from = std::getenv("LATHE_SHARED");
  const std::string shared = from ? from : LATHE_SOURCE_DIR "/../shared";
  const std::string path = shared + "/reference/expected_counts.csv";
  if (!std::filesystem::exists(path)) {
    MESSAGE("SKIP: no " << path);
    return;
  }
  int checked = 0;
  for (const Row& row : read_rows(path)) {
    if (!row.source.starts_with("repo formula")) continue;
    CAPTURE(row.config);
    CAPTURE(row.variant);
    const Case c = case_of(row);
    REQUIRE(is_preset(c.preset));
    Json tree = preset_spec(c.preset);
    if (c.eight_layers) {
      tree["n_layers"] = 8;
      tree["d_model"] = 512;
      tree["n_heads"] = tree["n_kv_heads"] = 8;
      tree["d_ff"] = 2048;
    }
    if (c.one_path) {
      tree["topology"]["n_paths"] = 1;
      tree["n_layers"] = tree["n_layers"].get<i64>() / 2;
    }
    const Plan plan = make_plan(parse_model_spec(tree, row.config));
    const ParamCount count = count_params(plan);
    CHECK(count.total == static_cast<i64>(row.total));
    CHECK(count.ffn == static_cast<i64>(row.ffn));
    CHECK(count.ffn + count.attention + count.embedding + count.head + count.other == count.total);
    ++checked;
    if (row.flops == 0) continue;
    TrainPlan training;
    training.tokens = c.eight_layers ? 5000.0 * kPaperBatchTokens : preset_tokens(c.preset);
    if (c.guide != GuideMode::kOff && c.preset.starts_with("wide")) {
      training.tokens = c.preset.ends_with("-m") ? 6.7e9 : 14.58e9;
    }
    training.batch_tokens = kPaperBatchTokens;
    training.guide.mode = c.guide;
    training.guide.share = c.share;
    const double flops = count_training(plan, training).flops;
    CHECK(std::abs(flops / row.flops - 1) < 0.6e-5);
  }
  CHECK(checked == 68);
}
