// lathe: the program without LibTorch. Catches every error and turns it into the exit status.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/cpu_isa.h"
#include "base/error.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/exec_train.h"
#include "cli/output.h"

namespace lathe {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"describe", "shapes, parameters and FLOPs of a model, without its weights", cmd_describe},
    {"tokenizer", "train a tokenizer, encode and decode text", cmd_tokenizer},
    {"data", "turn text into token shards, and inspect them", cmd_data},
    {"train", "train a model (starts lathe-train)", exec_train},
    {"eval", "score a model", cmd_eval},
    {"generate", "continue a prompt", cmd_generate},
    {"import", "make a model directory of another program's model", cmd_import},
    {"export", "write a model for other programs: Hugging Face, GGUF", cmd_export},
    {"factorize", "make a model smaller: structured linears in closed form", exec_train},
    {"bench", "measure speed", cmd_bench},
    {"study", "train a grid of runs: specs, budgets, seeds", cmd_study},
    {"report", "compare training runs: tables, charts, scaling fits", cmd_report},
};

std::string usage() {
  std::string text =
      "lathe: makes decoder-only language models smaller and faster\n\nusage: lathe COMMAND …\n\n";
  for (const Command& c : kCommands) text += format("  {:<10} {}\n", c.name, c.summary);
  return text + "\n'lathe COMMAND --help' explains a command.\n";
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(usage().c_str(), stderr);
    return 2;
  }
  const std::string name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    print(usage());
    return 0;
  }
  if (name == "--version") {
    print(format("lathe {}\ncpu: {}\n", LATHE_VERSION, describe_isas()));
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& c : kCommands) {
    if (name == c.name) return c.run(argc - 1, argv + 1);
    names.push_back(c.name);
  }
  std::fprintf(stderr, "lathe: no command '%s'%s; 'lathe --help' lists them\n",
               one_line(name).c_str(), did_you_mean(name, names).c_str());
  return 2;
}

}  // namespace
}  // namespace lathe

int main(int argc, char** argv) {
  try {
    return lathe::run(argc, argv);
  } catch (const CLI::ParseError& e) {
    CLI::App app;
    // CLI11 prints help to stdout and errors to stderr; every usage error exits with 2.
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "lathe: %s; --help shows the usage\n", lathe::one_line(e.what()).c_str());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lathe: %s\n", lathe::one_line(e.what()).c_str());
    return 1;
  }
}
