#include "weights/import_model.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/error.h"
#include "text/token_list.h"
#include "weights/foreign_values.h"
#include "weights/gguf_config.h"
#include "weights/hf_tokenizer.h"
#include "weights/model_directory.h"
#include "weights/sharded_source.h"
#include "weights/stacked_files.h"

namespace lathe {

namespace {

namespace fs = std::filesystem;

std::string format_name(const char* container, const FamilyRow& family) {
  return format("{}, {}", container, name_of(family.family));
}

std::unique_ptr<const Tokenizer> given_tokenizer(const std::string& tokenizer, i64 vocab_size) {
  if (fs::path(tokenizer).extension() == ".bin") {
    return make_tokenizer(
        parse_llama2_c_tokenizer(read_text_file(tokenizer), vocab_size, tokenizer), tokenizer);
  }
  return load_tokenizer(tokenizer);
}

ImportedModel import_gguf(const std::string& path, const std::string& tokenizer) {
  const auto file = std::make_shared<const GgufFile>(path);
  const GgufMetadata& m = file->metadata();
  ForeignConfig config = parse_gguf_config(*file, m);
  ImportedModel model{
      .format = format_name("GGUF", *config.family),
      .values = foreign_values(*config.family, Container::kGguf, make_plan(config.spec), file),
      .tokenizer = {},
      .chat_template = m.text("tokenizer.chat_template", ""),
      .notes = std::move(config.notes)};
  model.tokenizer = tokenizer.empty() ? make_tokenizer(gguf_token_list(m), path)
                                      : given_tokenizer(tokenizer, config.spec.vocab_size);
  return model;
}

ImportedModel import_hf(const std::string& path, const std::string& tokenizer) {
  const std::string config_file = (fs::path(path) / kConfigFile).string();
  if (!fs::exists(config_file)) {
    fail("[import] '{}' has no {}; expected a Hugging Face directory", path, kConfigFile);
  }
  const Json json = load_config(config_file);
  if (json.is_object() && json.contains("d_model") && json.contains("topology")) {
    fail("[import] '{}' is lathe's own model directory already; use it as it is", path);
  }
  ForeignConfig config = parse_hf_config(json, config_file);
  const auto weights = open_safetensors_folder(path);
  ModelSpec& spec = config.spec;
  for (const ModuleName& m : config.family->hf_modules) {
    // A head that was not written is the embedding, whatever the config says.
    if (m.ours == "head" && !weights->find(std::string(m.theirs) + ".weight")) {
      spec.tie_embeddings = true;
    }
  }
  read_hf_tokens(path, spec);
  ImportedModel model{
      .format = format_name("Hugging Face", *config.family),
      .values = foreign_values(*config.family, Container::kHuggingFace, make_plan(spec), weights),
      .tokenizer = {},
      .chat_template = read_hf_chat_template(path),
      .notes = std::move(config.notes)};
  model.tokenizer = load_tokenizer(tokenizer.empty() ? path : tokenizer);
  return model;
}

ImportedModel import_stacked(const char* name, StackedFile file, const std::string& path,
                             const std::string& tokenizer, const char* expected) {
  if (tokenizer.empty()) {
    fail("[import] {}: {} keeps no tokenizer in the model; give --tokenizer {}", path, name,
         expected);
  }
  const ForeignConfig& config = file.config;
  return {.format = format_name(name, *config.family),
          .values = foreign_values(*config.family, Container::kGguf, make_plan(config.spec),
                                   file.weights),
          .tokenizer = given_tokenizer(tokenizer, config.spec.vocab_size),
          .chat_template = "",
          .notes = config.notes};
}

ImportedModel import_llm_c(const std::string& path, const std::string& tokenizer) {
  return import_stacked("llm.c", open_stacked(path, parse_llm_c), path, tokenizer,
                        "GPT-2's vocab.bpe or tokenizer.json");
}
ImportedModel import_llama2_c(const std::string& path, const std::string& tokenizer) {
  return import_stacked("llama2.c", open_stacked(path, parse_llama2_c), path, tokenizer,
                        "its tokenizer.bin");
}

// What a file begins with, and who reads it.
struct Format {
  std::string_view begin;
  ImportedModel (*import)(const std::string&, const std::string&);
};
constexpr char kLlmCBegin[] = {'\xC6', '\xD7', '\x34', '\x01'};     // kLlmCMagic
constexpr char kLlama2CBegin[] = {'\x32', '\x34', '\x6B', '\x61'};  // kLlama2CMagic
constexpr Format kFormats[] = {
    {kGgufMagic, import_gguf},
    {{kLlmCBegin, 4}, import_llm_c},
    {{kLlama2CBegin, 4}, import_llama2_c},
};

// A header of seven small numbers is all that tells llama2.c's first format.
bool may_be_llama2_c(std::string_view begin) {
  if (begin.size() < 7 * sizeof(int32_t)) return false;
  for (size_t i = 0; i < 7; ++i) {
    int32_t x;
    std::memcpy(&x, begin.data() + i * sizeof x, sizeof x);
    if (x == 0 || x > 1 << 24 || x < -(1 << 24)) return false;
  }
  return true;
}

}  // namespace

ImportedModel open_foreign_model(const std::string& path, const std::string& tokenizer) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return import_hf(path, tokenizer);
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<size_t>(file.bytes().size(), 64));
  for (const Format& format : kFormats) {
    if (bytes.starts_with(format.begin)) return format.import(path, tokenizer);
  }
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".safetensors") {
    fail("[import] '{}' has the weights alone; give the folder that has its config.json too", path);
  }
  if (bytes.starts_with("PK") || bytes.starts_with("\x80\x02") || extension == ".pt" ||
      extension == ".pth") {
    fail(
        "[import] '{}' is a pickle, a program that would have to be run; save the model as "
        "safetensors",
        path);
  }
  if (may_be_llama2_c(bytes)) return import_llama2_c(path, tokenizer);
  fail(
      "[import] '{}' is no model that lathe reads: a Hugging Face directory, GGUF, llm.c's or "
      "llama2.c's .bin",
      path);
}

}  // namespace lathe
