// lathe factorize: a model's linears replaced by structured ones, in closed form.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/progress_line.h"
#include "base/staged_folder.h"
#include "cli/choices.h"
#include "cli/commands_train.h"
#include "cli/count_ranges.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "run/run_directory.h"
#include "train/device.h"
#include "train/factorize/factorize.h"

namespace lathe {
namespace {

struct Options {
  std::string model, out;
  std::vector<std::string> overrides;
  train::FactorizeOptions how;
  bool method_given = false, json = false, force = false;
  int threads = 0;
  std::string type = "f32";
};

// A line a linear, then the whole.
std::string describe(const train::FactorizeReport& report) {
  std::string text;
  size_t width = 0;
  for (const auto& l : report.linears) width = std::max(width, l.part.size());
  for (const auto& l : report.linears) {
    text += format("{:<{}}  {}  {:.4f} kept", l.part, width, describe_linear(l.linear), l.kept);
    if (l.predicted_loss > 0) text += format("  predicted loss {:.5f}", l.predicted_loss);
    if (l.measured_kl >= 0) text += format("  alone {:.5f} KL", l.measured_kl);
    text += "\n";
  }
  text +=
      format("{} linears replaced, {:.2f} % of the parameters in reach left; {} → {} parameters\n",
             report.linears.size(), 100 * report.share, report.params_before, report.params_after);
  if (report.n_calibration > 0) text += format("learnt from {} tokens\n", report.n_calibration);
  if (report.n_checked > 0) {
    text += format("perplexity {:.4f} → {:.4f}, mean KL {:.5f} nats a token ({} held-out tokens)\n",
                   report.ppl_before, report.ppl_after, report.kl, report.n_checked);
  }
  return text;
}

Json to_json(const train::FactorizeReport& report) {
  Json json;
  for (const auto& l : report.linears) {
    Json one = {{"linear", l.part}, {"kind", name_of(l.linear.kind)}};
    if (l.linear.rank) one["rank"] = l.linear.rank;
    if (l.linear.n_blocks) one["n_blocks"] = l.linear.n_blocks;
    one["kept"] = l.kept;
    if (l.predicted_loss > 0) one["predicted_loss"] = l.predicted_loss;
    if (l.measured_kl >= 0) one["measured_kl"] = l.measured_kl;
    json["linears"].push_back(std::move(one));
  }
  json["share"] = report.share;
  json["params_before"] = report.params_before;
  json["params_after"] = report.params_after;
  json["calibration_tokens"] = report.n_calibration;
  json["checked_tokens"] = report.n_checked;
  if (report.n_checked > 0) {
    json["ppl_before"] = report.ppl_before;
    json["ppl_after"] = report.ppl_after;
    json["kl"] = report.kl;
  }
  return json;
}

int run(Options& options) {
  InterruptGuard interrupts("[factorize] interrupted; no model was written");
  // What follows writes where nothing is, or replaces it: known before the long work.
  const auto folder = interrupts.undisturbed([&] {
    auto made = std::make_unique<StagedFolder>(options.out, kConfigFile, options.force);
    interrupts.set_clean_up([staged = made->path()] { StagedFolder::remove(staged); });
    return made;
  });
  train::open_device(RunDevice::kCpu, options.threads);
  const std::string path = model_directory(
      options.model, [](const std::string& line) { std::fputs((line + "\n").c_str(), stderr); });
  const ModelDirectory directory = open_model_directory(path);
  const auto tokenizer = load_tokenizer(directory.tokenizer);
  const bool has_text = !options.how.calibrate.empty() || !options.how.stats.empty();
  if (!options.method_given && has_text) options.how.method = train::FactorizeMethod::kWhitened;
  ProgressLine progress;
  const train::FactorizeResult result = train::factorize(
      directory, *tokenizer, options.overrides, options.how, [&](const std::string& stage) {
        if (progress.is_due()) progress.show(format("{:.0f} s: {}", progress.seconds(), stage));
      });
  write_model_directory(folder->path(), result.values, *value_of<DType>(options.type), *tokenizer,
                        directory.chat_template, [](size_t, size_t) {});
  interrupts.undisturbed([&] {
    folder->commit();
    interrupts.finish();
  });
  progress.clear();
  print(options.json ? to_json(result.report).dump(2) + "\n" : describe(result.report));
  return 0;
}

}  // namespace

int cmd_factorize(int argc, char** argv) {
  CLI::App app(
      "Makes a model smaller: its linears become structured ones that are nearest to them.\n"
      "What near means: plain, the matrix itself; whitened, the linear's output on the text of "
      "--calibrate; kfac, the loss on it (a backward pass too, several times the time).",
      "lathe factorize");
  Options options;
  train::FactorizeOptions& how = options.how;
  app.add_option("model", options.model, "model directory or run directory")
      ->required()
      ->type_name("MODEL");
  app.add_option("--out", options.out, "model directory to make")->required()->type_name("DIR");
  app.add_option("--set", options.overrides,
                 "KEY=VALUE of the spec: ffn_linear.kind=low_rank, attention_linear.kind=…, a rank "
                 "or n_blocks; linear_bias=true adds biases that take out the mean error")
      ->allow_extra_args(false);
  app.add_option("--share", how.share, "of the replaced matrices' parameters that is to be left")
      ->check(CLI::Range(1e-6, 0.999999))
      ->type_name("S");
  app.add_flag("--allocate", how.allocate,
               "spend that share unevenly over the matrices, by what each was measured to cost");
  CLI::Option* method =
      add_choice(app, "--method", how.method, "what an error is measured by (with text: whitened)");
  method->type_name("");
  app.add_option("--calibrate", how.calibrate,
                 "text, JSON lines, shard or prepared folder to learn from; may be repeated")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  app.add_option("--stats", how.stats,
                 "file of statistics: used where it is there, gone on with where it is unfinished, "
                 "else written")
      ->type_name("FILE");
  app.add_option("--tokens", how.tokens, "to learn from, at most")
      ->check(kPositiveCount)
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--check-tokens", how.check_tokens, "held-out ones to compare on, at most")
      ->check(kPositiveCount)
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--window", how.window, "tokens of a sequence")
      ->check(kPositiveCount)
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--sweeps", how.sweeps, "over the blocks of block_dense and block_shuffle")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--type", options.type, "of the stored matrices: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str()
      ->type_name("");
  app.add_option("--threads", options.threads, "threads (default: what affinity and cgroup allow)")
      ->check(kThreads)
      ->type_name("N");
  app.add_flag("--json", options.json, "one JSON object");
  app.add_flag("--force", options.force, "replace the model that is there");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  options.method_given = method->count() > 0;
  return run(options);
}

}  // namespace lathe
