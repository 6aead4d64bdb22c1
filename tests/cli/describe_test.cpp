// lathe describe and the frame of the command line, run as a program.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/checks.h"

using lathe::test::check_refused;
using lathe::test::has;
using lathe::test::ProgramResult;
using lathe::test::run_lathe;
using Json = nlohmann::ordered_json;

namespace {

Json describe(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "describe");
  arguments.push_back("--json");
  const ProgramResult result = run_lathe(arguments);
  CHECK(result.err == "");
  REQUIRE(result.status == 0);
  return Json::parse(result.out);
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

}  // namespace

TEST_CASE("describe --json: the keys are the contract's, and the numbers the paper's") {
  const Json json = describe({"gpt2-xl-lowrank32"});
  CHECK(keys(json) == std::vector<std::string>{"params", "flops", "bytes", "plan"});
  CHECK(keys(json.at("params")) ==
        std::vector<std::string>{"total", "ffn", "attention", "embedding", "head", "other"});
  CHECK(keys(json.at("flops")) ==
        std::vector<std::string>{"forward_per_token", "train_per_token", "train_total"});
  CHECK(keys(json.at("bytes")) == std::vector<std::string>{"weights_per_token", "kv_per_token"});
  const Json& params = json.at("params");
  CHECK(params.at("total").get<double>() == doctest::Approx(743.56e6).epsilon(2e-5));
  CHECK(params.at("ffn").get<double>() == doctest::Approx(274.73e6).epsilon(2e-5));
  CHECK(params.at("head") == 0);
  int64_t sum = 0;
  for (const char* part : {"ffn", "attention", "embedding", "head", "other"}) {
    sum += params.at(part).get<int64_t>();
  }
  CHECK(sum == params.at("total").get<int64_t>());
  const Json& flops = json.at("flops");
  CHECK(flops.at("forward_per_token").get<double>() * 512 * 1024 ==
        doctest::Approx(884.56e12).epsilon(1e-5));
  CHECK(flops.at("train_per_token").get<double>() ==
        3 * flops.at("forward_per_token").get<double>());
  CHECK(flops.at("train_total").get<double>() == doctest::Approx(1.291e20).epsilon(5e-4));
}

TEST_CASE("describe --json: the plan lists every stage with its shapes and linear kinds") {
  const Json plan = describe({"gpt2-s-blockdense32"}).at("plan");
  REQUIRE(plan.size() == 4);
  std::vector<std::string> stages;
  for (const Json& stage : plan) stages.push_back(stage.at("stage"));
  CHECK(stages == std::vector<std::string>{"embed", "blocks", "norm", "head"});
  CHECK(plan[0].at("vocab_size") == 32000);
  const Json& blocks = plan[1].at("blocks");
  REQUIRE(blocks.size() == 12);
  CHECK(blocks[0].at("linears").at("ffn.up").at("kind") == "dense");
  const Json& up = blocks[11].at("linears").at("ffn.up");
  CHECK(up.at("kind") == "block_dense");
  CHECK(up.at("in") == 768);
  CHECK(up.at("out") == 3072);
  CHECK(up.at("rank") == 256);
  CHECK(up.at("n_blocks") == 2);
  CHECK(up.at("factors").at("v") == Json({2, 128, 384}));
  CHECK(up.at("factors").at("u") == Json({3072, 256}));

  const Json fork = describe({"pgpt-124m"}).at("plan").at(1);
  CHECK(fork.at("stage") == "fork");
  CHECK(fork.at("paths").size() == 2);
  CHECK(fork.at("paths").at(1).at("blocks").size() == 6);
  const Json project = describe({"cgpt-124m", "--set", "topology.kernel_size=3"}).at("plan").at(2);
  CHECK(project == Json({{"stage", "project"},
                         {"name", "projections.0"},
                         {"in", 768},
                         {"out", 384},
                         {"kernel_size", 3}}));
}

TEST_CASE("describe: --tokens, --batch-tokens and --self-guided give the paper's training FLOPs") {
  const auto total = [](std::vector<std::string> arguments) {
    return describe(std::move(arguments)).at("flops").at("train_total").get<double>();
  };
  const double dense = total({"gpt2-m"});
  CHECK(dense == doctest::Approx(1.548e19).epsilon(5e-4));
  CHECK(total({"gpt2-m-lowrank32"}) == doctest::Approx(1.015e19).epsilon(5e-4));
  CHECK(total({"gpt2-m-lowrank32", "--self-guided", "fixed_steps"}) ==
        doctest::Approx(1.209e19).epsilon(5e-4));
  CHECK(total({"gpt2-m-lowrank32", "--self-guided", "fixed_steps:0.5"}) ==
        total({"gpt2-m-lowrank32", "--self-guided", "fixed_steps"}));
  CHECK(total({"gpt2-m-lowrank32", "--self-guided", "fixed_flops:.38"}) / dense ==
        doctest::Approx(1).epsilon(5e-4));
  CHECK(total({"gpt2-m-lowrank32", "--self-guided", "fixed_flops"}) / dense ==
        doctest::Approx(1).epsilon(2e-4));
  // Whole steps only: 10 of 100 tokens out of 1099.
  CHECK(total({"gpt2-m", "--tokens", "1099", "--batch-tokens", "1e2"}) ==
        total({"gpt2-m", "--tokens", "1e3", "--batch-tokens", "100"}));
}

TEST_CASE("describe: without a preset nobody has said how many tokens, and train_total is null") {
  const lathe::test::TempDir folder;
  std::ofstream(folder.file("spec.json")) << "{}";
  CHECK(describe({folder.file("spec.json")}).at("flops").at("train_total").is_null());
  CHECK(describe({folder.file("spec.json"), "--tokens", "2.2e9"}) == describe({"gpt2-s"}));
  check_refused(run_lathe({"describe", folder.file("spec.json"), "--self-guided", "fixed_steps"}),
                2);
}

TEST_CASE(
    "describe: --set may be repeated, and an override of the kind drops the old kind's keys") {
  const Json json =
      describe({"gpt2-s-lowrank32", "--set", "n_layers=3", "--set", "d_ff=1536", "--set",
                "ffn_linear.kind=block_shuffle", "--set", "ffn_linear.n_blocks=4"});
  const Json& blocks = json.at("plan").at(1).at("blocks");
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[1].at("linears").at("ffn.up").at("kind") == "block_shuffle");
  CHECK(blocks[1].at("linears").at("ffn.up").at("out") == 1536);
}

TEST_CASE("describe: an option that may be repeated takes one value, whatever stands behind it") {
  const ProgramResult result = run_lathe({"describe", "--set", "n_layers=3", "gpt2-s"});
  CHECK(result.status == 0);
  CHECK(result.out == run_lathe({"describe", "gpt2-s", "--set", "n_layers=3"}).out);
}

TEST_CASE("lathe: a line end or escape in a message is spelt out, so that it stays one line") {
  check_refused(run_lathe({"a\nb\x1b[31m"}), 2, {"a\\nb\\x1b[31m"});
  check_refused(run_lathe({"describe", "a\nb"}), 1, {"a\\nb"});
  check_refused(run_lathe({"describe", "x", "--a\nb"}), 2, {"--a\\nb"});
}

TEST_CASE("describe: the table for people folds equal blocks and compares with the dense twin") {
  const ProgramResult result = run_lathe({"describe", "gpt2-s-lowrank32"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  CHECK(has(result.out, "73,947,648"));
  CHECK(has(result.out, "blocks 1-11:"));
  CHECK(has(result.out, "low_rank 768 → 3072 rank 192"));
  CHECK(has(result.out, "0.675 of 109,632,000"));
  CHECK(!has(run_lathe({"describe", "gpt2-s"}).out, "every linear dense"));
  const ProgramResult list = run_lathe({"describe", "--list"});
  CHECK(list.status == 0);
  CHECK(has(list.out, "wide-structured-l"));
}

TEST_CASE("describe: what is wrong with the input exits with 1 and one line that says it") {
  const lathe::test::TempDir folder;
  std::ofstream(folder.file("bad.json")) << "{\"d_model\": }";
  std::filesystem::create_directory(folder.file("empty"));
  const struct {
    std::vector<std::string> arguments, parts;
  } cases[] = {
      {{"gpt2-s", "--set", "d_modl=3"}, {"'d_modl'", "did you mean 'd_model'"}},
      {{"gpt2-s", "--set", "ffn_linear.knd=dense"}, {"did you mean 'ffn_linear.kind'"}},
      {{"gpt2-s", "--set", "d_model=abc"}, {"'d_model'", "\"abc\"", "a whole number"}},
      {{"gpt2-s", "--set", "tie_embeddings=3"}, {"'tie_embeddings'", "true or false"}},
      {{"gpt2-s", "--set", "norm=batch"}, {"'norm'", "layer_norm, rms_norm"}},
      {{"gpt2-s", "--set", "d_model"}, {"--set d_model", "key=value"}},
      {{"gpt2-s-blockshuffle32", "--set", "d_model=770"}, {"n_blocks 4", "770"}},
      {{"lgpt-124m", "--set", "d_model=772"}, {"772"}},
      {{"gpt2-z"}, {"'gpt2-z'", "did you mean 'gpt2-"}},
      {{"no/such/file.json"}, {"'no/such/file.json'"}},
      {{folder.file("bad.json")}, {"bad.json", "line 1"}},
      {{folder.file("empty")}, {"config.json"}},
      {{"/proc/self/mem"}, {"/proc/self/mem"}},
      {{"gpt2-s", "--self-guided", "fixed_steps"}, {"nothing to guide"}},
  };
  for (const auto& c : cases) {
    std::vector<std::string> arguments = c.arguments;
    arguments.insert(arguments.begin(), "describe");
    CAPTURE(arguments.back());
    const ProgramResult result = run_lathe(arguments);
    check_refused(result, 1);
    for (const std::string& part : c.parts) CHECK_MESSAGE(has(result.err, part), result.err);
  }
}

TEST_CASE("describe: a wrong usage exits with 2 and one line") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"describe"},
           {"describe", "gpt2-s", "gpt2-m"},
           {"describe", "gpt2-s", "--bogus"},
           {"describe", "gpt2-s", "--set"},
           {"describe", "gpt2-s", "--tokens", "many"},
           {"describe", "gpt2-s", "--tokens", "-3"},
           {"describe", "gpt2-s", "--tokens", "nan"},
           {"describe", "gpt2-s", "--batch-tokens", "0.5"},
           {"describe", "gpt2-s", "--self-guided", "sometimes"},
           {"describe", "gpt2-s-lowrank32", "--self-guided", "fixed_steps:2"},
           {"describe", "gpt2-s-lowrank32", "--self-guided", "fixed_steps:"},
           {"descrbe"}}) {
    CAPTURE(arguments.back());
    check_refused(run_lathe(arguments), 2);
  }
}

TEST_CASE("lathe: without a command it shows the usage on stderr, with --help on stdout") {
  const ProgramResult nothing = run_lathe({});
  CHECK(nothing.status == 2);
  CHECK(nothing.out == "");
  CHECK(has(nothing.err, "describe"));
  const ProgramResult help = run_lathe({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err == "");
  CHECK(help.out == nothing.err);
  const ProgramResult command = run_lathe({"describe", "--help"});
  CHECK(command.status == 0);
  CHECK(has(command.out, "--batch-tokens"));
  CHECK(run_lathe({"--version"}).out.starts_with("lathe "));
}

TEST_CASE("describe: a full disk is an error, not a short file") {
  const ProgramResult result = lathe::test::run_program(
      {"/bin/sh", "-c", "exec " LATHE_BIN_DIR "/lathe describe gpt2-s >/dev/full"});
  check_refused(result, 1);
  CHECK(has(result.err, "No space left on device"));
}

TEST_CASE(
    "train: starts the lathe-train beside it with the same arguments, or says it is missing") {
  const lathe::test::TempDir folder;
  std::filesystem::copy_file(LATHE_BIN_DIR "/lathe", folder.file("lathe"));
  const ProgramResult missing =
      lathe::test::run_program({folder.file("lathe"), "train", "run.toml"});
  check_refused(missing, 1);
  CHECK(has(missing.err, "no LibTorch"));
  CHECK(has(missing.err, "scripts/build"));

  std::ofstream(folder.file("lathe-train")) << "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n";
  std::filesystem::permissions(folder.file("lathe-train"), std::filesystem::perms::owner_all);
  const ProgramResult there =
      lathe::test::run_program({folder.file("lathe"), "train", "run.toml", "--set", "out=a b", ""});
  CHECK(there.status == 7);
  CHECK(there.out == "train|run.toml|--set|out=a b||");
}

TEST_CASE("describe: what the paper prints of a preset stands beside our counts") {
  const ProgramResult text = run_lathe({"describe", "gpt2-xl-lowrank63"});
  CHECK(has(text.out,
            "printed in arXiv 2406.16450, and counted here\n"
            "  parameters          984.73 M       984.732 M\n"));
  CHECK(has(text.out, "1.66e+20"));
  for (const char* changed : {"d_ff=512", "n_layers=2"}) {
    CHECK(!has(run_lathe({"describe", "gpt2-m", "--set", changed}).out, "printed in"));
  }
  CHECK(!has(run_lathe({"describe", "gpt2-s"}).out, "printed in"));
}
