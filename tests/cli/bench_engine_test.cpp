// lathe bench prefill and decode, run as programs. Says nothing of speed.
#include <doctest/doctest.h>

#include <numeric>

#include "cli/model_files.h"
#include "model/counts.h"

using namespace lathe;
using namespace lathe::test;

namespace {

Json bench_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  arguments.push_back("--json");
  const ProgramResult result = run_lathe(arguments);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  return Json::parse(result.out);
}

}  // namespace

TEST_CASE(
    "bench prefill: a row for each length, depth and number of threads, in llama-bench's fields") {
  const ModelFiles m;
  const Json rows = bench_json(
      {"prefill", m.path, "-p", "5,8", "-d", "0,2", "-t", "1,2", "-r", "3", "--no-warmup"});
  REQUIRE(rows.size() == 8);
  const Json& row = rows[3];
  CHECK(row.at("model_filename") == m.path);
  CHECK(row.at("n_threads") == 1);
  CHECK(row.at("n_prompt") == 8);
  CHECK(row.at("n_gen") == 0);
  CHECK(row.at("n_depth") == 2);
  CHECK(row.at("model_n_params") == count_params(make_plan(m.spec)).total);
  REQUIRE(row.at("samples_ns").size() == 3);
  std::vector<double> ns = row.at("samples_ns"), ts = row.at("samples_ts");
  for (size_t i = 0; i < ns.size(); ++i) CHECK(ts[i] == doctest::Approx(8e9 / ns[i]).epsilon(1e-3));
  CHECK(row.at("avg_ns").get<double>() ==
        doctest::Approx(std::accumulate(ns.begin(), ns.end(), 0.0) / 3).epsilon(1e-4));
  std::sort(ts.begin(), ts.end());
  CHECK(row.at("median_ts").get<double>() == doctest::Approx(ts[1]));
  const std::string time = row.at("test_time");
  CHECK(time.size() == 20);
  CHECK(time.back() == 'Z');
}

TEST_CASE("bench decode: specs get random weights, and models take turns in one table") {
  const ModelFiles m;
  const std::string spec = m.dir.file("spec.json");
  write_file(spec, to_json(m.spec).dump());
  const ProgramResult result = run_lathe(
      {"bench", "decode", m.path, spec, "--set", "n_layers=1", "--type", "bf16", "-n", "4"});
  // A model with weights fits no other spec.
  CHECK(result.status == 1);
  CHECK(has(result.err, "--set is for specs without"));
  const Json rows = bench_json({"decode", "-m", m.path, "-m", spec, "--type", "bf16", "-n", "4",
                                "-r", "1", "--cache-type", "bf16"});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("model_type") == "gpt f32");
  CHECK(rows[1].at("model_type") == "gpt bf16");
  CHECK(rows[1].at("model_size") < rows[0].at("model_size"));
  CHECK(rows[1].at("model_n_params") == rows[0].at("model_n_params"));
  CHECK(rows[1].at("n_gen") == 4);
  CHECK(rows[1].at("type_k") == "bf16");
  CHECK(rows[1].at("share_of_limit").get<double>() > 0);
  const ProgramResult table = run_lathe({"bench", "decode", m.path, "-n", "4", "-d", "3"});
  CHECK(table.status == 0);
  CHECK(has(table.out, "| tg4 @ d3 |"));
  const ProgramResult csv = run_lathe({"bench", "decode", m.path, "-n", "4", "-o", "csv"});
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 2);
}

TEST_CASE("bench: what cannot be measured is refused in one line") {
  const ModelFiles m;
  check_refused(run_lathe({"bench", "prefill", m.path, "-p", "1000"}), 1,
                {"1000 tokens after 0 do not fit the model's context"});
  check_refused(run_lathe({"bench", "decode", m.path, "-d", "1000"}), 1, {"do not fit"});
  check_refused(run_lathe({"bench", "decode", m.dir.file("none")}), 1, {"none"});
  check_refused(run_lathe({"bench", "decode"}), 2);
  check_refused(run_lathe({"bench", "decode", m.path, "-n", "0"}), 2);
  check_refused(run_lathe({"bench", "decode", m.path, "-t", "0"}), 2);
  check_refused(run_lathe({"bench", "decode", m.path, "--type", "q3"}), 2);
  check_refused(run_lathe({"bench", "sprint", m.path}), 2);
}
