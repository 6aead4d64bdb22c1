// One function a subcommand; main.cpp holds the table. Each gets the arguments from its own name on
// (argv[0] is the subcommand), returns the exit status 0, and throws Error (exit 1) or
// CLI::ParseError (exit 2, or 0 after --help).
#pragma once

namespace lathe {

int cmd_bench(int argc, char** argv);
int cmd_describe(int argc, char** argv);
int cmd_tokenizer(int argc, char** argv);
int cmd_data(int argc, char** argv);
int cmd_eval(int argc, char** argv);
int cmd_export(int argc, char** argv);
int cmd_generate(int argc, char** argv);
int cmd_import(int argc, char** argv);
int cmd_report(int argc, char** argv);
int cmd_study(int argc, char** argv);

}  // namespace lathe
