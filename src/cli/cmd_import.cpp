// lathe import: other programs' models as model directories.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/error.h"
#include "base/progress_line.h"
#include "base/staged_folder.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "model/counts.h"
#include "weights/import_model.h"
#include "weights/model_directory.h"

namespace lathe {
namespace {

struct ImportOptions {
  std::string source, out, tokenizer;
  std::string type = "auto";
  bool force = false;
};

void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

int import_model(const ImportOptions& options) {
  InterruptGuard interrupts("[import] interrupted; nothing was written");
  const ImportedModel model = open_foreign_model(options.source, options.tokenizer);
  const ModelSpec& spec = model.values.plan.spec;
  if (model.tokenizer->vocab_size() > spec.vocab_size) {
    fail("[import] {}: its tokenizer has {} ids, the model {}; give --tokenizer", options.source,
         model.tokenizer->vocab_size(), spec.vocab_size);
  }
  const DType type =
      options.type == "auto" ? model.values.natural_type : *value_of<DType>(options.type);
  const auto folder = interrupts.undisturbed([&] {
    auto made = std::make_unique<StagedFolder>(options.out, kWeightsFile, options.force);
    interrupts.set_clean_up([path = made->path()] { StagedFolder::remove(path); });
    return made;
  });
  ProgressLine progress;
  write_model_directory(folder->path(), model.values, type, *model.tokenizer, model.chat_template,
                        [&](size_t done, size_t all) {
                          if (!progress.is_due()) return;
                          progress.show(format("{} of {} tensors", done, all));
                        });
  interrupts.undisturbed([&] {
    folder->commit();
    interrupts.finish();
  });
  progress.clear();
  const i64 params = count_params(model.values.plan).total;
  say(format("{}: {}, {:.1f} M parameters, matrices as {}, tokenizer of {} ids{}", options.out,
             model.format, static_cast<double>(params) / 1e6, name_of(type),
             model.tokenizer->vocab_size(),
             model.chat_template.empty() ? "" : ", with a chat template"));
  for (const std::string& note : model.notes) say("note: " + note);
  return 0;
}

}  // namespace

int cmd_import(int argc, char** argv) {
  CLI::App app("Makes a model directory of another program's model.", "lathe import");
  ImportOptions options;
  app.add_option(
         "source", options.source,
         "Hugging Face directory (config.json, safetensors), GGUF file, or .bin of llm.c or "
         "llama2.c")
      ->required()
      ->type_name("SRC");
  app.add_option("--out", options.out, "the model directory to make")->required()->type_name("DIR");
  app.add_option("--type", options.type,
                 "of the matrices: auto (bf16 where the source has that, else f32), f32, bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->capture_default_str()
      ->type_name("");
  app.add_option("--tokenizer", options.tokenizer,
                 "in place of the model's: a tokenizer's file or folder, or llama2.c's "
                 "tokenizer.bin")
      ->type_name("TOK");
  app.add_flag("--force", options.force, "replace a model directory that is there");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  return import_model(options);
}

}  // namespace lathe
