#include "report/groups.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/config_tree.h"
#include "report/best_runs.h"
#include "report/planted_runs.h"
#include "run/training_cost.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;
using namespace lathe::report;
using lathe::test::contains;
using lathe::test::error_text;
using lathe::test::metrics_jsonl;
using lathe::test::PlantedRun;
using lathe::test::run_toml;

namespace {

RunRecord record(const PlantedRun& run) {
  return make_run_record(run.folder, parse_toml(run_toml(run), run.folder),
                         parse_metrics(metrics_jsonl(run), run.folder));
}

Comparison compare_planted(const std::vector<PlantedRun>& planted) {
  std::vector<RunRecord> runs;
  for (const PlantedRun& run : planted) runs.push_back(record(run));
  return compare(runs);
}

PlantedRun planted(const std::string& folder, double final_loss) {
  PlantedRun run;
  run.folder = folder;
  run.final_loss = final_loss;
  return run;
}

const char* const kLowRank = "kind = \"low_rank\"\nrank = 16";
const char* const kShuffle = "kind = \"block_shuffle\"\nn_blocks = 4";

std::vector<std::string> variant_names_of(const Comparison& c) {
  std::vector<std::string> names;
  for (const Variant& v : c.variants) names.push_back(v.name);
  return names;
}

}  // namespace

TEST_CASE("groups: runs that differ in seed and in keys that change no result are one group") {
  PlantedRun a = planted("a", 2.0), b = planted("b", 2.2), c = planted("c", 2.7);
  b.seed = 2;  // and with it threads and out
  b.top = "log_every = 3\nsample_prompt = \"x\"\ncheckpoint_every = 7\ndevice = \"cuda\"\n";
  c.seed = 3;
  const Comparison result = compare_planted({a, b, c});
  REQUIRE(result.groups.size() == 1);
  const Group& g = result.groups[0];
  CHECK(g.runs == std::vector<size_t>{0, 1, 2});
  CHECK(g.loss.n == 3);
  CHECK(g.loss.mean == doctest::Approx(6.9 / 3).epsilon(1e-12));
  // s² = (0.09 + 0.01 + 0.16) / 2, error = s / √3.
  CHECK(g.loss.error == doctest::Approx(std::sqrt(0.26 / 2 / 3)).epsilon(1e-12));
  CHECK(g.bits_per_byte.mean == doctest::Approx(6.9 / 9).epsilon(1e-12));
  CHECK(g.flops == doctest::Approx(40e9));
  CHECK(g.tokens == 40 * 4 * 32);
  CHECK(g.tokens_per_s == doctest::Approx(1020.5));  // median of 1001 … 1040
  CHECK(g.name == "a, b, c");                        // nothing to tell it from
}

TEST_CASE("groups: a key that changes the result separates them") {
  for (const char* top : {"precision = \"f32\"\n", "eval_tokens = 100\n", "tokens = 5120\n"}) {
    PlantedRun a = planted("a", 2), b = planted("b", 2);
    b.seed = 2;
    b.top = top;
    CHECK(compare_planted({a, b}).groups.size() == 2);
  }
}

TEST_CASE("groups: a run that is not done is a member, and left out of every mean") {
  PlantedRun a = planted("a", 2), b = planted("b", 9);
  b.seed = 2;
  b.steps_done = 25;
  const Comparison c = compare_planted({a, b});
  REQUIRE(c.groups.size() == 1);
  CHECK(c.groups[0].runs.size() == 2);
  CHECK(c.groups[0].finished == std::vector<size_t>{0});
  CHECK(c.groups[0].loss.n == 1);
  CHECK(c.groups[0].loss.mean == 2);
  CHECK(std::isnan(c.groups[0].loss.error));
  CHECK(c.groups[0].flops == doctest::Approx(40e9));
  b.seed = 1;
  const Comparison alone = compare_planted({b});
  CHECK(alone.groups[0].loss.n == 0);
  CHECK(std::isnan(alone.groups[0].loss.mean));
}

TEST_CASE("groups: with fixed FLOPs a run is done after its guided steps too") {
  PlantedRun a = planted("a", 2);
  a.ffn = kShuffle;
  a.guided = "mode = \"fixed_flops\"\nshare = 0.25\nstochastic = \"paper\"\n";
  a.steps = 40;
  a.steps_done = 40;
  CHECK_FALSE(record(a).finished());
  CHECK(record(a).planned_steps == 50);
  a.steps_done = 50;
  CHECK(record(a).finished());
  // Without a share it is what makes up for the dense twin, by what guidance costs.
  a.guided = "mode = \"fixed_flops\"\nalpha_end = 0.25\n";
  const double share =
      matching_guide_share(make_plan(record(a).model), GuideDraw::kPaper, (1 + 0.25) / 2);
  REQUIRE((share > 0.1 && share < 0.9));
  CHECK(record(a).planned_steps == 40 + static_cast<i64>(40 * share));
  a.guided = "mode = \"fixed_steps\"\nshare = 0.25\n";
  a.steps_done = 40;
  CHECK(record(a).finished());
}

TEST_CASE("groups: counts of a model agree with sums done by hand") {
  PlantedRun a = planted("a", 2);
  a.ffn = kLowRank;
  const Group g = compare_planted({a}).groups[0];
  // d = 64, d_ff = 256, three layers of which the first is dense; two linears a layer.
  const double dense_layer = 2 * 64 * 256, low_rank_layer = 2 * 16 * (64 + 256);
  const double ffn = dense_layer + 2 * low_rank_layer;
  CHECK(static_cast<double>(g.ffn_params) == ffn);
  CHECK(g.ffn_share == doctest::Approx(ffn / (3 * dense_layer)).epsilon(1e-12));
  // Two FLOPs a multiply-add: attention's four d² and scores over T = 32, the head over V = 100.
  const double macs = ffn + 3 * (4 * 64 * 64 + 2 * 32 * 64) + 64 * 100;
  CHECK(g.forward_flops == doctest::Approx(2 * macs).epsilon(1e-12));
}

TEST_CASE("groups: names say in what they differ, the dense variant first") {
  PlantedRun a = planted("a", 2), b = planted("b", 2), c = planted("c", 2), d = planted("d", 2);
  a.ffn = kShuffle;
  b.ffn = kShuffle;
  b.guided = "mode = \"fixed_steps\"\nshare = 0.5\n";
  c.ffn = kLowRank;
  a.guided = c.guided = d.guided = "mode = \"off\"\nshare = 0.5\n";
  const Comparison result = compare_planted({a, b, c, d});
  CHECK(variant_names_of(result) ==
        std::vector<std::string>{"dense", "block_shuffle n_blocks 4",
                                 "block_shuffle n_blocks 4, self_guided fixed_steps",
                                 "low_rank rank 1/4 d_model"});
  CHECK(result.groups[0].name == "dense");
  CHECK(result.groups[0].runs == std::vector<size_t>{3});
}

TEST_CASE("groups: a variant keeps its name over sizes, which are named by what tells them apart") {
  std::vector<PlantedRun> runs;
  for (const int64_t d : {128, 64, 256}) {
    for (const bool dense : {true, false}) {
      PlantedRun run = planted("r" + std::to_string(runs.size()), 2);
      run.d_model = d;
      run.lr = 0.1 / static_cast<double>(d);  // follows the size
      if (!dense) run.ffn = format("kind = \"low_rank\"\nrank = {}", d / 8);
      runs.push_back(run);
    }
  }
  const Comparison c = compare_planted(runs);
  CHECK(variant_names_of(c) == std::vector<std::string>{"dense", "low_rank rank 1/8 d_model"});
  CHECK(c.sizes == std::vector<std::string>{"d_model 64", "d_model 128", "d_model 256"});
  REQUIRE(c.groups.size() == 6);
  CHECK(c.groups[4].name == "low_rank rank 1/8 d_model, d_model 128");
  CHECK(c.variants[1].groups == std::vector<size_t>{3, 4, 5});
}

TEST_CASE("groups: a learning rate that two groups of one size compare makes two variants") {
  PlantedRun a = planted("a", 2), b = planted("b", 2);
  b.lr = 2e-3;
  const Comparison c = compare_planted({a, b});
  CHECK(variant_names_of(c) == std::vector<std::string>{"lr 0.001", "lr 0.002"});
}

TEST_CASE("groups: the dense twin has the same size and training, and its seeds' error joins in") {
  PlantedRun dense = planted("dense", 2.0), dense_2 = planted("dense2", 2.1);
  PlantedRun low = planted("low", 2.5), low_2 = planted("low2", 2.7), other = planted("other", 1);
  dense_2.seed = low_2.seed = 2;
  low.ffn = low_2.ffn = kLowRank;
  other.d_model = 128;  // dense, but of another size
  const Comparison c = compare_planted({dense, dense_2, low, low_2, other});
  REQUIRE(c.groups.size() == 3);
  const Group& g = c.groups[2];
  REQUIRE(g.dense);
  CHECK(*g.dense == 0);
  CHECK(g.gap.mean == doctest::Approx(2.6 - 2.05).epsilon(1e-12));
  // Standard errors 0.05 and 0.1 add in squares.
  CHECK(g.gap.error == doctest::Approx(std::sqrt(0.05 * 0.05 + 0.1 * 0.1)).epsilon(1e-9));
  CHECK_FALSE(c.groups[0].dense);
  CHECK_FALSE(c.groups[1].dense);

  low.steps = 60;  // trained longer than any dense one
  const Comparison longer = compare_planted({dense, low});
  for (const Group& group : longer.groups) CHECK_FALSE(group.dense);
}

TEST_CASE("groups: one budget of FLOPs is one size, however many steps a model makes of it") {
  PlantedRun dense = planted("dense", 2.0), low = planted("low", 2.5);
  dense.top = low.top = "flops = 4e10\ninit = \"paper\"\n";
  low.top = "flops = 4e10\ninit = \"spectral\"\n";  // of factors: the twin has none
  low.ffn = kLowRank;
  low.steps = 55;
  const Comparison c = compare_planted({dense, low});
  CHECK(c.sizes.size() == 1);
  CHECK(c.groups[1].gap.mean == doctest::Approx(0.5));
  low.top = "flops = 5e10\ninit = \"spectral\"\n";
  CHECK(compare_planted({dense, low}).sizes ==
        std::vector<std::string>{"flops 4e+10", "flops 5e+10"});
}

TEST_CASE(
    "groups: a dense twin whose length is put in other words is one where it came to the same") {
  PlantedRun dense = planted("dense", 2.0), low = planted("low", 2.5);
  dense.top = "flops = 4e10\n";  // 40 steps
  low.top = "tokens = 5120\n";   // 40 steps, for fewer FLOPs
  low.ffn = kLowRank;
  low.flops_per_step = 0.7e9;
  const auto gaps = [&] {
    i64 n = 0;
    for (const Group& group : compare_planted({dense, low}).groups) n += group.gap.n;
    return n;
  };
  CHECK(gaps() == 1);
  low.steps = 41;
  CHECK(gaps() == 0);
  low.flops_per_step = 4e10 / 41;
  CHECK(gaps() == 1);
}

TEST_CASE("groups: a rate that the optimizer does not read tells no runs apart") {
  PlantedRun a = planted("a", 2), b = planted("b", 2);
  const auto record_of = [](const PlantedRun& run, const char* kind) {
    Json file = parse_toml(run_toml(run), run.folder);
    file["optimizer"]["kind"] = kind;
    file["optimizer"]["spectron_lr"] = run.folder == "a" ? 0.1 : 0.2;
    return make_run_record(run.folder, file, parse_metrics(metrics_jsonl(run), run.folder));
  };
  CHECK(compare({record_of(a, "adamw"), record_of(b, "adamw")}).groups.size() == 1);
  CHECK(compare({record_of(a, "spectron"), record_of(b, "spectron")}).groups.size() == 2);
}

TEST_CASE("best: of a search the values with the most seeds stay, then those with the least mean") {
  std::vector<RunRecord> runs;
  const auto add = [&](const char* folder, i64 seed, double lr, double loss, const char* ffn,
                       i64 steps_done = 40) {
    PlantedRun run = planted(folder, loss);
    run.seed = seed;
    run.lr = lr;
    run.ffn = ffn;
    run.steps_done = steps_done;
    runs.push_back(record(run));
  };
  const char* const dense = "kind = \"dense\"";
  add("a", 1, 1e-3, 2.4, dense);
  add("b", 1, 2e-3, 2.5, dense);
  add("c", 2, 2e-3, 2.7, dense);     // the mean 2.6 of two is worth more than 2.4 of one
  add("d", 1, 1e-3, 2.2, kLowRank);  // another search
  add("e", 1, 2e-3, 2.3, kLowRank);
  add("f", 2, 2e-3, 1.0, kLowRank, 9);  // not done: counts for nothing
  add("g", 1, 4e-3, 9.0, kShuffle, 9);  // nothing to choose from
  const BestRuns best = keep_best(runs, {"optimizer.lr"});
  std::string kept;
  for (const RunRecord& run : best.runs) kept += run.path;
  CHECK(kept == "bcdg");
  CHECK(best.n_left_out == 3);
  // The names no longer speak of it, though the rates differ between the variants.
  CHECK(variant_names_of(compare(best.runs)) ==
        std::vector<std::string>{"dense", "low_rank rank 1/4 d_model", "block_shuffle n_blocks 4"});
  CHECK(keep_best(runs, {"optimizer.lr", "optimizer.spectron_lr"}).n_left_out == 3);
  CHECK(contains(error_text([&] { keep_best(runs, {"lr"}); }), "did you mean 'optimizer.lr'?"));
  CHECK(contains(error_text([&] { keep_best(runs, {"optimizer.lrr"}); }),
                 "no run has a key 'optimizer.lrr'; did you mean 'optimizer.lr'?"));
}

TEST_CASE("groups: another topology is held against its own dense group, else against plain gpt") {
  PlantedRun gpt = planted("gpt", 2), pgpt = planted("pgpt", 2.5), pgpt_low = planted("low", 3);
  pgpt.topology = pgpt_low.topology = "kind = \"pgpt\"\nn_paths = 3";
  pgpt_low.ffn = "kind = \"low_rank\"\nrank = 8";
  const auto gap_of = [](const Comparison& c, const std::string& part) {
    for (const Group& g : c.groups) {
      if (contains(g.name, part)) return g.gap.mean;
    }
    return -1.0;
  };
  const Comparison all = compare_planted({gpt, pgpt, pgpt_low});
  CHECK(gap_of(all, "low_rank") == doctest::Approx(0.5));
  CHECK(gap_of(all, "dense, pgpt") == doctest::Approx(0.5));
  CHECK(gap_of(compare_planted({gpt, pgpt_low}), "low_rank") == doctest::Approx(1.0));
}

TEST_CASE("groups: each variant with three sizes has a law, the others say what they lack") {
  std::vector<PlantedRun> runs;
  const auto law = [](double flops) { return 50 * std::pow(flops, -0.2) + 1.2; };
  for (const int64_t d : {64, 128, 256, 512}) {
    PlantedRun run = planted("d" + std::to_string(d), 0);
    run.d_model = d;
    run.flops_per_step = 1e6 * static_cast<double>(d * d);
    run.final_loss = law(run.flops_per_step * 40);
    runs.push_back(run);
    if (d > 128) continue;
    run.ffn = kShuffle;
    runs.push_back(run);
  }
  runs[3].steps_done = 10;  // one of the two block_shuffle sizes is not done
  const Comparison c = compare_planted(runs);
  REQUIRE(c.variants.size() == 2);
  REQUIRE(c.variants[0].by_flops.law);
  CHECK(c.variants[0].by_flops.law->b == doctest::Approx(0.2).epsilon(1e-3));
  CHECK(c.variants[0].by_flops.law->c == doctest::Approx(1.2).epsilon(1e-3));
  CHECK(c.variants[0].by_params.law);
  CHECK_FALSE(c.variants[1].by_flops.law);
  CHECK(c.variants[1].by_flops.why_not == "needs three sizes, has 1");
}

TEST_CASE("run record: a run file that is none is refused with its name") {
  const MetricsLog log = parse_metrics("", "m");
  const auto refusal = [&](const std::string& toml) {
    return error_text([&] { make_run_record("runs/x", parse_toml(toml, "x"), log); });
  };
  CHECK(contains(refusal("steps = 3\n"), "runs/x/run.toml: no [model]"));
  CHECK(contains(refusal("[model]\nd_model = 64\n"), "steps is 0, expected 1"));
  CHECK(contains(refusal("steps = \"3\"\n[model]\n"), "'steps' is \"3\""));
  CHECK(contains(refusal("steps = 3\n[model]\nd_modle = 1\n"), "did you mean 'd_model'"));
  CHECK(contains(refusal("steps = 3\n[model]\nd_head = 63\n"), "runs/x/run.toml: "));
  CHECK(contains(refusal("steps = 3\n[self_guided]\nmode = 3\n[model]\n"),
                 "self_guided: 'mode' is 3"));
  CHECK(
      contains(refusal("steps = 3\n[self_guided]\nmode = \"fixed_flops\"\nshare = 7.0\n[model]\n"),
               "self_guided.share is 7"));
}

TEST_CASE("run record: a validation gets tokens and FLOPs of its step, a repeated one the last") {
  const Json toml = parse_toml("steps = 2\n[model]\n", "x");
  const RunRecord run =
      make_run_record("x", toml,
                      parse_metrics("{\"step\":1,\"tokens\":8,\"loss\":5,\"flops\":100}\n"
                                    "{\"step\":2,\"tokens\":16,\"loss\":4,\"flops\":230}\n"
                                    "{\"step\":2,\"val_loss\":3,\"val_bits_per_byte\":1}\n"
                                    "{\"step\":2,\"val_loss\":2.5,\"val_bits_per_byte\":0.5}\n",
                                    "m"));
  REQUIRE(run.validations.size() == 1);
  CHECK(run.validations[0].tokens == 16);
  CHECK(run.validations[0].flops == 230);
  CHECK(run.final_loss == 2.5);
  CHECK(run.final_bits_per_byte == 0.5);
}
