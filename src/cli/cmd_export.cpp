// lathe export: models for other programs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/progress_line.h"
#include "base/staged_folder.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "infer/forward.h"
#include "run/run_directory.h"
#include "weights/export_model.h"
#include "weights/model_directory.h"

namespace lathe {
namespace {

enum class ExportFormat { kHf, kGguf, kLathe };
constexpr auto names_of(ExportFormat) { return enum_names<ExportFormat>("hf", "gguf", "lathe"); }

struct ExportOptions {
  std::string model, out;
  ExportFormat format = ExportFormat::kHf;
  std::string type = "f32";
  infer::PathChoice path = infer::PathChoice::kAll;
  bool merge = false, force = false;
};

void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

// "smollm" of "models/smollm/".
std::string base_name(const std::string& path) {
  const auto normal = std::filesystem::weakly_canonical(path);
  return normal.filename().empty() ? "model" : normal.filename().string();
}

Exported write_folder(const ExportInput& input, const ExportOptions& options,
                      const std::string& folder) {
  if (options.format == ExportFormat::kHf) return export_hf(input, folder);
  write_model_directory(folder, input.values, input.matrices, input.tokenizer, input.chat_template,
                        input.on_tensor);
  return {"lathe", {}};
}

int export_model(const ExportOptions& options) {
  InterruptGuard interrupts("[export] interrupted; nothing was written");
  const std::string path = model_directory(options.model, say);
  const ModelDirectory directory = open_model_directory(path);
  const auto tokenizer = load_tokenizer(directory.tokenizer);
  ProgressLine progress;
  ExportInput input{.values = values_of(directory.plan, directory.weights),
                    .name = base_name(path),
                    .tokenizer = *tokenizer,
                    .chat_template = directory.chat_template,
                    .matrices = *value_of<DType>(options.type),
                    .on_tensor = [&](size_t done, size_t all) {
                      if (progress.is_due()) progress.show(format("{} of {} tensors", done, all));
                    }};
  if (options.path == infer::PathChoice::kBest) {
    input.values = blaming(path, [&] { return best_path(input.values); });
  }
  if (options.merge) input.values = merged(input.values);
  const bool is_file = options.format == ExportFormat::kGguf;
  if (input.matrices == DType::kQ80 && !is_file) {
    fail("[export] q8_0 is a type of GGUF's; --format {} takes f32, bf16{}",
         name_of(options.format), options.format == ExportFormat::kHf ? " or f16" : "");
  }
  if (input.matrices == DType::kF16 && options.format == ExportFormat::kLathe) {
    fail("[export] lathe's own models are f32 or bf16, not f16");
  }
  Exported exported;
  if (is_file) {
    if (std::filesystem::exists(options.out) && !options.force) {
      fail("[export] '{}' is there already; --force replaces it", options.out);
    }
    exported = export_gguf(input, options.out);
  } else {
    const auto folder = interrupts.undisturbed([&] {
      auto made = std::make_unique<StagedFolder>(options.out, kConfigFile, options.force);
      interrupts.set_clean_up([staged = made->path()] { StagedFolder::remove(staged); });
      return made;
    });
    exported = write_folder(input, options, folder->path());
    interrupts.undisturbed([&] {
      folder->commit();
      interrupts.finish();
    });
  }
  progress.clear();
  say(format("{}: {}, matrices as {}", options.out, exported.what, options.type));
  for (const std::string& note : exported.notes) say("note: " + note);
  return 0;
}

}  // namespace

int cmd_export(int argc, char** argv) {
  CLI::App app("Writes a model for other programs.", "lathe export");
  ExportOptions options;
  app.add_option("model", options.model, "model directory or run directory")
      ->required()
      ->type_name("MODEL");
  add_choice(app, "--format", options.format,
             "hf: a Hugging Face directory, with Python of its own where transformers has no such "
             "model; gguf: a file for llama.cpp; lathe: a model directory")
      ->required()
      ->type_name("");
  app.add_option("--out", options.out, "the folder or, of gguf, the file to make")
      ->required()
      ->type_name("PATH");
  app.add_flag("--merge", options.merge,
               "structured linears as the dense matrices that they stand for");
  add_choice(app, "--path", options.path,
             "best: of a model of parallel paths only the one with the largest weight, its entry "
             "folded into the embeddings")
      ->type_name("");
  app.add_option("--type", options.type, "of the matrices: f32, bf16, f16 or, in gguf, q8_0")
      ->check(CLI::IsMember({"f32", "bf16", "f16", "q8_0"}))
      ->capture_default_str()
      ->type_name("");
  app.add_flag("--force", options.force, "replace what is there");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  return export_model(options);
}

}  // namespace lathe
