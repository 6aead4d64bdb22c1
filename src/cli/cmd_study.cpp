// lathe study: a grid of training runs, one after another.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "base/library_environment.h"
#include "cli/commands.h"
#include "cli/exec_train.h"
#include "cli/output.h"
#include "report/groups.h"
#include "study/study_runner.h"

namespace lathe {

namespace {

using study::Cell;
using study::Contest;
using study::StudyRun;

constexpr const char* kHelp =
    "Trains every run of a study: the product of its axes, each with every seed. All runs are\n"
    "checked before the first starts; the same command goes on where it was stopped, and given\n"
    "several times at once (one a GPU, or with few threads each) they share the runs.\n\n"
    "A study file:\n"
    "  out = \"runs/ffn\"              # every run is out/NAME, as lathe train makes it\n"
    "  run = \"base.toml\"             # run file that all begin with, beside this file\n"
    "  seeds = [1, 2, 3]\n"
    "  axes = [\"structure\", \"rate\"]  # tables below, applied in this order\n"
    "  best = \"rate\"                 # run with the first seed only, but the best with all\n"
    "  [[structure]]\n"
    "  name = \"lowrank\"              # a run is called lowrank-1e3-s1\n"
    "  set = { \"model.ffn_linear\" = { kind = \"low_rank\", rank = 64 } }\n"
    "  [[rate]]\n"
    "  name = \"1e3\"\n"
    "  set = { \"optimizer.lr\" = 1e-3 }\n"
    "  only = { structure = [\"lowrank\"] }   # beside these values alone";

Json axes_json(const study::Study& study, const Cell& cell) {
  Json axes = Json::object();
  for (size_t a = 0; a < cell.values.size(); ++a) {
    axes[study.axes[a].name] = study.axes[a].values[cell.values[a]].name;
  }
  return axes;
}

// Visits every run in the order of the study; `sure`: whether it is run whatever `best` says.
template <class Visit>
void each_run(const study::StudyPlan& plan, Visit visit) {
  for (const Contest& contest : plan.contests) {
    for (const i64 seed : plan.study.seeds) {
      for (const Cell& cell : contest.cells) {
        const bool sure = seed == plan.study.seeds.front() || contest.cells.size() == 1;
        visit(cell, plan.runs.at(study::run_name(cell, seed)), sure);
      }
    }
  }
}

Json plan_json(const study::StudyPlan& plan) {
  Json list = Json::array();
  each_run(plan, [&](const Cell& cell, const StudyRun& run, bool sure) {
    list.push_back({{"name", run.name},
                    {"out", run.spec.out},
                    {"axes", axes_json(plan.study, cell)},
                    {"seed", run.spec.seed},
                    {"params", run.params},
                    {"forward_flops_per_token", run.forward_flops},
                    {"steps", run.phases.total},
                    {"train_flops", run.train_flops},
                    {"state", std::string(name_of(plan.states.at(run.name)))},
                    {"if_best", !sure}});
  });
  return list;
}

std::string plan_text(const study::StudyPlan& plan) {
  size_t width = 4;
  for (const auto& [name, run] : plan.runs) width = std::max(width, name.size());
  std::string text = format("{:<{}}  {:>11}  {:>13}  {:>9}  {:>13}  state\n", "run", width,
                            "parameters", "FLOP a token", "steps", "training FLOP");
  each_run(plan, [&](const Cell&, const StudyRun& run, bool sure) {
    text += format("{:<{}}  {:>11}  {:>13.4g}  {:>9}  {:>13.4g}  {}{}\n", run.name, width,
                   run.params, run.forward_flops, run.phases.total, run.train_flops,
                   name_of(plan.states.at(run.name)), sure ? "" : ", if best");
  });
  return text + format("{} runs\n", study::count_runs(plan.study, plan.contests));
}

struct CellResult {
  const Cell* cell;
  std::vector<std::string> runs, failed;
  report::MeanError loss;
  bool chosen;
};

std::vector<CellResult> results(const study::StudyPlan& plan, const study::StudyRunner& runner) {
  std::vector<CellResult> list;
  for (const Contest& contest : plan.contests) {
    for (const Cell& cell : contest.cells) {
      CellResult result{&cell, {}, {}, {}, runner.chosen().contains(cell.name)};
      std::vector<double> losses;
      for (const i64 seed : plan.study.seeds) {
        const std::string name = study::run_name(cell, seed);
        if (const auto at = runner.losses().find(name); at != runner.losses().end()) {
          result.runs.push_back(name);
          losses.push_back(at->second);
        }
        if (runner.failed().contains(name)) result.failed.push_back(name);
      }
      result.loss = report::mean_and_error(losses);
      list.push_back(std::move(result));
    }
  }
  return list;
}

Json results_json(const study::StudyPlan& plan, const study::StudyRunner& runner) {
  const auto number = [](double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); };
  Json groups = Json::array();
  for (const CellResult& r : results(plan, runner)) {
    groups.push_back(
        {{"name", r.cell->name},
         {"axes", axes_json(plan.study, *r.cell)},
         {"best", plan.study.best ? Json(r.chosen) : Json(nullptr)},
         {"runs", r.runs},
         {"failed", r.failed},
         {"loss",
          {{"mean", number(r.loss.mean)}, {"error", number(r.loss.error)}, {"n", r.loss.n}}}});
  }
  return {{"groups", groups}, {"stopped", runner.stopped()}};
}

std::string results_text(const study::StudyPlan& plan, const study::StudyRunner& runner) {
  const std::vector<CellResult> list = results(plan, runner);
  size_t width = 5;
  for (const CellResult& r : list) width = std::max(width, r.cell->name.size());
  std::string text = format("{:<{}}  runs  final validation loss\n", "group", width);
  for (const CellResult& r : list) {
    if (r.runs.empty() && r.failed.empty()) continue;
    text += format("{:<{}}  {:>4}  ", r.cell->name, width, r.runs.size());
    text += r.loss.n == 0 ? "-" : format("{:.4f}", r.loss.mean);
    if (r.loss.n > 1) text += format(" ± {:.4f}", r.loss.error);
    if (r.chosen) text += format("  best {}", plan.study.axes[*plan.study.best].name);
    if (!r.failed.empty()) text += format("  {} failed", r.failed.size());
    text += "\n";
  }
  return text;
}

// What is left to say on stderr, and the exit status.
int conclude(const study::StudyPlan& plan, const study::StudyRunner& runner,
             const std::string& path) {
  const std::string& out = plan.study.out;
  if (!runner.losses().empty()) {
    std::string best;
    for (const std::string& key : study::keys_of_best(plan.study)) best += " --best " + key;
    std::fprintf(stderr, "compare them: lathe report %s%s --out %s/report.html\n", out.c_str(),
                 best.c_str(), out.c_str());
  }
  if (!runner.failed().empty()) {
    std::string names;
    for (const std::string& name : runner.failed()) names += (names.empty() ? "" : ", ") + name;
    std::fprintf(stderr, "lathe: %zu failed: %s; the same command tries them again\n",
                 runner.failed().size(), names.c_str());
  }
  if (runner.stopped()) {
    std::fprintf(stderr, "lathe: stopped; go on with: lathe study %s\n", one_line(path).c_str());
  }
  return runner.failed().empty() && !runner.stopped() ? 0 : 1;
}

}  // namespace

int cmd_study(int argc, char** argv) {
  CLI::App app(kHelp, "lathe study");
  std::string path;
  bool dry_run = false, json = false;
  app.add_option("STUDY", path, "study file (.toml)")->required();
  app.add_flag("--dry-run", dry_run, "check everything and list the runs; train nothing");
  app.add_flag("--json", json, "the list, or the results, for programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  const study::StudyPlan plan = study::plan_study(path);
  if (dry_run) {
    print(json ? plan_json(plan).dump(2) + "\n" : plan_text(plan));
    return 0;
  }
  set_library_environment();  // for the runs
  study::StudyRunner runner(plan, train_program("study"));
  runner.run();
  print(json ? results_json(plan, runner).dump(2) + "\n" : results_text(plan, runner));
  return conclude(plan, runner, path);
}

}  // namespace lathe
