// lathe bench: how fast models run. What needs LibTorch, ffn and train, is lathe-train's.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "base/cpu_limits.h"
#include "base/error.h"
#include "base/progress_line.h"
#include "cli/bench_engine.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/exec_train.h"
#include "cli/output.h"
#include "infer/engine.h"
#include "infer/speed.h"
#include "model/counts.h"
#include "run/run_directory.h"
#include "run/spec_source.h"
#include "weights/random_weights.h"

namespace lathe {
namespace {

struct Options {
  std::vector<std::string> models, overrides;
  std::vector<i64> lengths;  // of the prompt, or of what is generated
  std::vector<i64> depths = {0};
  std::vector<int> threads;
  i64 repetitions = 5;
  bool no_warmup = false, json = false;
  BenchFormat output = BenchFormat::kMd;
  infer::PathChoice path = infer::PathChoice::kAll;
  std::string type = "f32", cache = "f32";

  void add_to(CLI::App& app, const std::string& length_flags, const std::string& length_help);
};

void Options::add_to(CLI::App& app, const std::string& length_flags,
                     const std::string& length_help) {
  app.add_option("model,-m,--model", models,
                 "model or run directories, or specs as of describe, which get random weights")
      ->required()
      ->type_name("MODEL…");
  app.add_option(length_flags, lengths, length_help)
      ->delimiter(',')
      ->check(kPositiveCount)
      ->capture_default_str()
      ->type_name("N,…");
  app.add_option("-d,--n-depth", depths, "tokens that are in the cache before")
      ->delimiter(',')
      ->check(kCount)
      ->capture_default_str()
      ->type_name("N,…");
  app.add_option("-t,--threads", threads, "threads (default: what affinity and cgroup allow)")
      ->delimiter(',')
      ->check(kThreads)
      ->type_name("N,…");
  app.add_option("-r,--repetitions", repetitions, "of each test; all take turns")
      ->check(kPositiveCount)
      ->capture_default_str()
      ->type_name("N");
  app.add_flag("--no-warmup", no_warmup, "time the first pass too");
  app.add_option("--set", overrides, "KEY=VALUE of the specs that get random weights")
      ->allow_extra_args(false);
  app.add_option("--type", type, "of random weights: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str()
      ->type_name("");
  app.add_option("--cache-type,--ctk", cache, "of keys and values: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str()
      ->type_name("");
  add_choice(app, "--path", path, "of models with parallel paths: all of them, or only the best")
      ->type_name("");
  add_choice(app, "-o,--output", output, "md, json, jsonl or csv, with llama-bench's fields")
      ->type_name("");
  app.add_flag("--json", json, "the same as -o json");
}

struct BenchedModel {
  std::string name;
  std::unique_ptr<const infer::Model> model;
};

std::string type_of(const infer::Model& model) {
  const auto& head = std::get<infer::Head>(model.stages.back());
  return std::string(name_of(model.plan.spec.topology.kind)) + " " +
         std::string(name_of(head.weight.dtype));
}

BenchedModel open_model(const std::string& name, const Options& options, ThreadPool& pool) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) {
    if (!options.overrides.empty()) {
      fail("[bench] {} has weights, which fit no other spec; --set is for specs without", name);
    }
    ModelDirectory opened = open_model_directory(model_directory(
        name, [](const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }));
    return {name, infer::make_model(std::move(opened.plan), *opened.weights, pool)};
  }
  Plan plan = make_plan(load_model_spec(name, options.overrides));
  const auto weights = random_weights(plan, *value_of<DType>(options.type), 1);
  return {name, infer::make_model(std::move(plan), *weights, pool)};
}

// The threads of one number, with what they gave at most.
struct Threads {
  explicit Threads(int n) : pool(n), state(pool) {}
  ThreadPool pool;
  infer::State state;
  std::map<DType, double> product_peak;
  double bandwidth = 0;
};

struct Job {
  infer::SpeedRun run;
  EngineBenchRow row;
};

class EngineBench {
 public:
  explicit EngineBench(const Options& options) : options_(options) {
    ThreadPool pool(available_threads());
    for (const std::string& name : options.models) {
      show("loading " + name);
      models_.push_back(open_model(name, options, pool));
    }
    std::vector<int> counts = options.threads;
    if (counts.empty()) counts.push_back(available_threads());
    for (const int n : counts) threads_.push_back(std::make_unique<Threads>(n));
  }

  std::vector<EngineBenchRow> run(bool prefill) {
    std::vector<Job> jobs;
    for (const BenchedModel& m : models_) {
      for (const auto& threads : threads_) {
        for (const i64 depth : options_.depths) {
          for (const i64 length : options_.lengths) {
            jobs.push_back(make_job(m, *threads, prefill, length, depth));
          }
        }
      }
    }
    for (i64 r = options_.no_warmup ? 0 : -1; r < options_.repetitions; ++r) {
      for (size_t i = 0; i < jobs.size(); ++i) {
        show(format("repetition {} of {}, test {} of {}", r + 1, options_.repetitions, i + 1,
                    jobs.size()));
        EngineBenchRow& row = jobs[i].row;
        if (row.start == 0) {
          row.start =
              std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
                  .count();
        }
        const double seconds = jobs[i].run.seconds();
        if (r >= 0) row.seconds.push_back(seconds);
      }
    }
    std::vector<EngineBenchRow> rows;
    for (Job& job : jobs) {
      job.row.needed *= job.row.speed();
      rows.push_back(std::move(job.row));
    }
    progress_.clear();
    return rows;
  }

 private:
  void show(const std::string& text) {
    if (progress_.is_due()) progress_.show(text);
  }

  // `needed` is a token's until the speed is known.
  Job make_job(const BenchedModel& m, Threads& threads, bool prefill, i64 length, i64 depth) {
    const Plan& plan = m.model->plan;
    const infer::SpeedTest test{.n_prompt = prefill ? length : 0,
                                .n_generated = prefill ? 0 : length,
                                .depth = depth,
                                .path = options_.path,
                                .cache = *value_of<DType>(options_.cache)};
    show(format("filling the cache of {}", m.name));
    Job job{infer::SpeedRun(*m.model, threads.state, test),
            {.model = m.name,
             .type = type_of(*m.model),
             .n_params = count_params(plan).total,
             .n_bytes = m.model->weight_bytes,
             .threads = threads.pool.size(),
             .n_prompt = test.n_prompt,
             .n_generated = test.n_generated,
             .depth = depth,
             .cache = test.cache,
             .seconds = {}}};
    if (!prefill) {
      if (threads.bandwidth == 0) threads.bandwidth = infer::read_bandwidth(threads.pool);
      job.row.limit = threads.bandwidth;
      const i64 cached = job.run.cache().bytes_per_token() * (depth + length / 2);
      job.row.needed =
          static_cast<double>(infer::weight_bytes_a_token(*m.model, test.path) + cached);
    } else if (test.path == infer::PathChoice::kAll && depth == 0) {
      const DType type = std::get<infer::Head>(m.model->stages.back()).weight.dtype;
      double& peak = threads.product_peak[type];
      if (peak == 0) peak = infer::product_peak(threads.state, type);
      job.row.limit = peak;
      // The head sees the last token alone.
      const auto& spec = plan.spec;
      const auto& head = std::get<HeadStage>(plan.stages.back());
      job.row.needed = forward_flops_per_token(plan, length) -
                       2.0 * static_cast<double>(head.in * spec.vocab_size);
    }
    return job;
  }

  const Options& options_;
  std::vector<BenchedModel> models_;
  std::vector<std::unique_ptr<Threads>> threads_;
  ProgressLine progress_;
};

void add_test(CLI::App& app, const char* name, const char* summary, const std::string& flags,
              const char* length_help, i64 length, bool prefill) {
  CLI::App& sub = *app.add_subcommand(name, summary);
  const auto options = std::make_shared<Options>();
  options->lengths = {length};
  options->add_to(sub, flags, length_help);
  sub.callback([options, prefill] {
    const BenchFormat output = options->json ? BenchFormat::kJson : options->output;
    print(engine_bench_text(EngineBench(*options).run(prefill), output));
  });
}

}  // namespace

int cmd_bench(int argc, char** argv) {
  const std::string test = argc > 1 ? argv[1] : "";
  if (test == "ffn" || test == "train") return exec_train(argc, argv);
  CLI::App app("Measures speed.", "lathe bench");
  app.require_subcommand(1);
  add_test(app, "prefill", "reading a prompt", "-p,--n-prompt", "tokens of the prompt", 512, true);
  add_test(app, "decode", "generating, token by token", "-n,--n-gen", "tokens to generate", 128,
           false);
  // For --help alone.
  app.add_subcommand("ffn", "one feed-forward layer in training, structured kinds and dense");
  app.add_subcommand("train", "steps of training");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  return 0;
}

}  // namespace lathe
