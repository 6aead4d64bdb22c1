// lathe report: compares training runs, as a page for people and as JSON for programs.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/atomic_file.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "report/page.h"

namespace lathe {

namespace {

constexpr const char* kHelp =
    "Compares training runs: one HTML file with tables and charts that opens anywhere, without a\n"
    "network. Runs that differ in nothing but their seed are averaged, with standard errors; runs\n"
    "that are still going or were cut short are drawn, and left out of averages and fits.\n\n"
    "Power laws L(x) = a x^-b + c are fitted to the final validation losses of each variant that\n"
    "has three sizes or more, x being the FLOPs spent on training, and the parameters; intervals\n"
    "are 95 % bootstrap intervals over runs.";

void print_notes(const report::Report& report) {
  for (const std::string& note : report.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
}

}  // namespace

int cmd_report(int argc, char** argv) {
  CLI::App app(kHelp, "lathe report");
  std::vector<std::string> paths;
  std::string out;
  std::vector<std::string> best;
  bool json = false;
  app.add_option("runs", paths, "run directories, as lathe train makes them, or a folder of such")
      ->required()
      ->type_name("RUN");
  app.add_option("--out", out, "the page to write; an existing file is replaced")
      ->type_name("FILE.html");
  app.add_option("--best", best,
                 "of runs alike but for this key of the run file and their seed, only those with "
                 "its best value (optimizer.lr); may be repeated")
      ->type_name("KEY")
      ->allow_extra_args(false);
  app.add_flag("--json", json, "print runs, groups and fits on stdout");
  app.footer("Example: lathe report runs/* --out report.html");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  if (out.empty() && !json) throw CLI::RequiredError("--out FILE.html (or --json)");

  const report::Report report = report::make_report(paths, best);
  print_notes(report);
  // Everything is made before anything is written.
  const std::string page = out.empty() ? "" : report::report_page(report);
  if (!out.empty()) {
    write_file_atomically(out, page);
    const size_t runs = report.runs.size(), groups = report.comparison.groups.size();
    std::fprintf(stderr, "%s: %zu run%s in %zu group%s\n", out.c_str(), runs, runs == 1 ? "" : "s",
                 groups, groups == 1 ? "" : "s");
  }
  if (json) {
    print(report::report_to_json(report).dump(2, ' ', false, Json::error_handler_t::replace) +
          "\n");
  }
  return 0;
}

}  // namespace lathe
