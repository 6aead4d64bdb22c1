// Whole runs as programs: a small corpus, a run file, the command, and killing it on its way.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "run/run_directory.h"
#include "run/run_spec.h"
#include "support/run_program.h"
#include "support/temp_dir.h"

namespace lathe::train {

// Words of a tiny grammar, so that there is something to learn.
inline std::string small_text(size_t n_bytes) {
  const char* words[] = {"the ", "cat ", "sat ", "on ", "a ", "mat ", "and ", "ran\n"};
  const Random random(3, RandomUse::kMixture);
  std::string text;
  for (uint64_t i = 0; text.size() < n_bytes; ++i) {
    text += words[(i % 3 == 0 ? 0 : 1) + random.bits(i) % 7];
  }
  return text;
}

// A prepared byte-level folder of small shards, so that samples and epochs cross their borders.
inline void prepare(const std::string& folder, const std::string& text, i64 shard_tokens) {
  std::filesystem::create_directories(folder);
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(folder, *tokenizer, 0.1, shard_tokens);
  writer.add_document(tokenizer->encode(text), static_cast<int64_t>(text.size()), 0);
  writer.finish();
}

inline std::string write_run(const std::string& folder, const std::string& more = "") {
  const std::string path = folder + "/run.toml";
  std::ofstream(path) << R"(
seed = 4
steps = 40
precision = "f32"
threads = 2
checkpoint_every = 20
eval_every = 0
sample_every = 0
[model]
vocab_size = 257
context_length = 16
d_model = 24
n_layers = 2
n_heads = 2
n_kv_heads = 1
d_head = 12
d_ff = 48
ffn_linear = { kind = "block_shuffle", n_blocks = 2 }
tokenizer = "bytes"
[data]
micro_batch = 4
global_batch = 8
)" << more;
  return path;
}

inline std::vector<std::string> train_command(const std::string& run, const std::string& out,
                                              const std::string& data,
                                              std::vector<std::string> more = {}) {
  std::vector<std::string> command = {
      LATHE_BIN_DIR "/lathe-train", "train", run, "--set", "out=" + out, "--set",
      "data.path=" + data};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

inline std::string bytes_of(const std::string& run, i64 step, const char* file) {
  return read_text_file(RunDirectory(run).checkpoint(step) + "/" + file);
}

// Loss of each step, by metrics.jsonl; a step listed twice fails.
inline std::map<i64, double> losses_of(const std::string& run) {
  std::map<i64, double> losses;
  std::istringstream in(read_text_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const auto object = Json::parse(line);
    if (!object.contains("loss")) continue;
    CHECK(losses.emplace(object.at("step").get<i64>(), object.at("loss").get<double>()).second);
  }
  return losses;
}

struct Folder {
  Folder() {
    prepare(dir.file("data"), small_text(6000), 1000);  // 5400 tokens: an epoch is 337 samples
    run = write_run(dir.path());
  }
  test::TempDir dir;
  std::string run;
  std::string data = dir.file("data");
};

// Starts a run, waits for the checkpoint of `step`, then kills it without warning.
inline void run_and_kill(const std::vector<std::string>& command, const std::string& checkpoint) {
  std::vector<std::string> copy = command;
  std::vector<char*> argv;
  for (std::string& a : copy) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stderr)) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  for (int i = 0; i < 6000 && !std::filesystem::exists(checkpoint); ++i) ::usleep(10'000);
  ::kill(child, SIGKILL);
  int state = 0;
  ::waitpid(child, &state, 0);
  REQUIRE(std::filesystem::exists(checkpoint));
}

}  // namespace lathe::train
