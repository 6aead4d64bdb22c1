#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/plan_json.h"
#include "weights/export_model.h"
#include "weights/foreign_values.h"
#include "weights/hf_config.h"
#include "weights/model_directory.h"

namespace lathe {

namespace {

constexpr const char* kModelingFile = "modeling_lathe.py";

// Tensors by the name they are written under: their values on demand.
struct Outgoing {
  std::vector<TensorHead> heads;
  std::map<std::string, std::function<std::vector<float>()>> values;
};

Outgoing foreign_outgoing(const FamilyRow& family, const ExportInput& model) {
  Outgoing out;
  for (const ForeignTensor& t :
       foreign_tensors(family, Container::kHuggingFace, model.values.plan)) {
    out.heads.push_back({t.name, t.is_matrix ? model.matrices : DType::kF32, t.shape()});
    out.values.emplace(t.name, [t, &model] { return to_foreign(t, model.values); });
  }
  return out;
}

Outgoing own_outgoing(const ExportInput& model) {
  Outgoing out;
  for (const TensorInfo& info : tensor_list(model.values.plan)) {
    out.heads.push_back({info.name, info.matrix ? model.matrices : DType::kF32, info.shape});
    out.values.emplace(info.name, [info, &model] { return model.values.read(info); });
  }
  return out;
}

// The config that modeling_lathe.py builds the model from.
Json own_config(const ModelSpec& spec, const Plan& plan) {
  Json config = {{"architectures", {"LatheForCausalLM"}},
                 {"model_type", "lathe"},
                 {"auto_map",
                  {{"AutoConfig", "modeling_lathe.LatheConfig"},
                   {"AutoModelForCausalLM", "modeling_lathe.LatheForCausalLM"}}},
                 {"vocab_size", spec.vocab_size},
                 {"hidden_size", spec.d_model},
                 {"num_hidden_layers", spec.n_layers},
                 {"num_attention_heads", spec.n_heads},
                 {"num_key_value_heads", spec.n_kv_heads},
                 {"max_position_embeddings", spec.context_length},
                 {"tie_word_embeddings", spec.tie_embeddings},
                 {"use_cache", true}};
  config["plan"] = plan_as_json(plan);
  config["lathe"] = to_json(spec);
  return config;
}

std::string torch_name(DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return "bfloat16";
    case DType::kF16:
      return "float16";
    default:
      return "float32";
  }
}

void write_json(const std::string& folder, const char* name, const Json& json) {
  write_file_atomically(folder + "/" + name, json.dump(2) + "\n");
}

// A tokenizer.json that says nothing of it puts `begin` in front of every text.
std::string with_begin(std::string json, int32_t begin, const std::string& text) {
  if (text.empty()) return json;
  const Json token = {{"SpecialToken", {{"id", text}, {"type_id", 0}}}};
  const auto sequence = [](const char* id) -> Json {
    return {{"Sequence", {{"id", id}, {"type_id", 0}}}};
  };
  const Json post = {
      {"type", "TemplateProcessing"},
      {"single", Json::array({token, sequence("A")})},
      {"pair", Json::array({token, sequence("A"), sequence("B")})},
      {"special_tokens",
       {{text, {{"id", text}, {"ids", Json::array({begin})}, {"tokens", Json::array({text})}}}}}};
  for (const std::string_view none : {"\"post_processor\":null", "\"post_processor\": null"}) {
    const size_t at = json.find(none);
    if (at != json.npos) return json.replace(at, none.size(), "\"post_processor\":" + post.dump());
  }
  return json;
}

// The tokenizer's file, and how transformers is to use it.
void write_tokenizer(const ExportInput& model, const std::string& folder) {
  const ModelSpec& spec = model.values.plan.spec;
  const std::string file(model.tokenizer.file_name());
  const auto begin = static_cast<int32_t>(spec.begin_token);
  write_file_atomically(folder + "/" + file, with_begin(model.tokenizer.file_content(), begin,
                                                        model.tokenizer.special_text(begin)));
  Json settings;
  settings["tokenizer_class"] =
      file.ends_with(".model") ? "LlamaTokenizer" : "PreTrainedTokenizerFast";
  settings["model_max_length"] = spec.context_length;
  settings["clean_up_tokenization_spaces"] = false;
  settings["add_bos_token"] = spec.begin_token >= 0;
  settings["add_eos_token"] = false;
  if (file.ends_with(".model")) settings["legacy"] = false;
  const auto name = [&](i64 id) -> Json {
    const std::string text = model.tokenizer.special_text(static_cast<int32_t>(id));
    return text.empty() ? Json(nullptr) : Json(text);
  };
  const auto end = model.tokenizer.end_of_text();
  if (spec.begin_token >= 0) settings["bos_token"] = name(spec.begin_token);
  if (!spec.end_tokens.empty())
    settings["eos_token"] = name(spec.end_tokens[0]);
  else if (end)
    settings["eos_token"] = name(*end);
  write_json(folder, "tokenizer_config.json", settings);
  if (!model.chat_template.empty()) {
    write_file_atomically(folder + "/" + kChatTemplateFile, model.chat_template);
  }
}

void add_token_ids(const ExportInput& model, Json& config) {
  const ModelSpec& spec = model.values.plan.spec;
  config["bos_token_id"] = spec.begin_token >= 0 ? Json(spec.begin_token) : Json(nullptr);
  const auto end = model.tokenizer.end_of_text();
  if (spec.end_tokens.size() > 1)
    config["eos_token_id"] = spec.end_tokens;
  else if (!spec.end_tokens.empty())
    config["eos_token_id"] = spec.end_tokens[0];
  else if (end)
    config["eos_token_id"] = *end;
  else
    config["eos_token_id"] = nullptr;
}

}  // namespace

Exported export_hf(const ExportInput& model, const std::string& folder) {
  const Plan& plan = model.values.plan;
  Exported exported;
  Json config;
  Outgoing out;
  std::string why;
  if (const FamilyRow* family = find_family(plan.spec, why)) {
    exported.what = format("Hugging Face, {}", name_of(family->family));
    config = to_hf_config(*family, plan.spec);
    out = foreign_outgoing(*family, model);
  } else {
    exported.what = format("Hugging Face with {} (trust_remote_code)", kModelingFile);
    exported.notes.push_back("transformers has no class for this model: " + why);
    config = own_config(plan.spec, plan);
    out = own_outgoing(model);
    write_file_atomically(folder + "/" + kModelingFile, kModelingPython);
  }
  add_token_ids(model, config);
  config["torch_dtype"] = torch_name(model.matrices);
  write_tokenizer(model, folder);
  Json generation;
  add_token_ids(model, generation);
  write_json(folder, "generation_config.json", generation);
  SafetensorsWriter writer(folder + "/" + kWeightsFile, std::move(out.heads), {{"format", "pt"}});
  write_tensors(
      writer, [&](const std::string& name) { return out.values.at(name)(); }, model.on_tensor);
  write_json(folder, kConfigFile, config);
  return exported;
}

}  // namespace lathe
