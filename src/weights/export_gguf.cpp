#include <map>

#include "base/error.h"
#include "text/token_list.h"
#include "weights/export_model.h"
#include "weights/foreign_values.h"
#include "weights/gguf_writer.h"
#include "weights/hf_tokenizer.h"

namespace lathe {

namespace {

constexpr const char* kPositions = "position_embd.weight";

// llama.cpp's numbers of what a file mostly holds.
struct FileType {
  DType dtype;
  i64 number;
};
constexpr FileType kFileTypes[] = {
    {DType::kF32, 0}, {DType::kF16, 1}, {DType::kQ80, 7}, {DType::kBf16, 32}};

i64 file_type(DType dtype) {
  for (const FileType& row : kFileTypes) {
    if (row.dtype == dtype) return row.number;
  }
  LATHE_CHECK(!"a type that is written");
  return 0;
}

// Norms, biases and positions have to be f32.
DType stored_as(const ForeignTensor& t, DType matrices) {
  if (!t.is_matrix || t.name == kPositions) return DType::kF32;
  if (t.columns % stored_type(matrices).block_values) return DType::kF16;
  return matrices;
}

void add_notes(const ModelSpec& spec, Exported& exported) {
  if (spec.activation == Activation::kGelu) {
    exported.notes.push_back(
        "llama.cpp computes gelu by its tanh approximation: logits differ by about 1e-3");
  }
  if (spec.end_tokens.size() > 1) {
    exported.notes.push_back(
        "GGUF names one token that ends a text; of several the first is written");
  }
}

}  // namespace

Exported export_gguf(const ExportInput& model, const std::string& path) {
  const ModelSpec& spec = model.values.plan.spec;
  const FamilyRow& family = choose_family(spec, model.name);
  if (spec.rope_scaling.kind == RopeScaling::kLlama3 && family.family != Family::kLlama) {
    fail(
        "[export] {}: in GGUF rope scaling llama3 goes with the architecture llama alone, and this "
        "model is {}",
        model.name, family.gguf_architecture);
  }
  Exported exported{format("GGUF, {}", family.gguf_architecture), {}};
  add_notes(spec, exported);

  const TokenList tokens = token_list_of(model.tokenizer, spec.vocab_size, model.name);
  GgufEntries entries = to_gguf_config(family, spec);
  entries.insert(entries.begin() + 1,
                 {{"general.name", model.name}, {"general.file_type", file_type(model.matrices)}});
  if (model.matrices == DType::kQ80) entries.emplace_back("general.quantization_version", i64{2});
  const auto end = model.tokenizer.end_of_text();
  for (auto& entry : to_gguf_tokens(tokens, spec, end.value_or(0), model.chat_template)) {
    entries.push_back(std::move(entry));
  }

  std::map<std::string, ForeignTensor> tensors;
  std::vector<TensorHead> heads;
  for (ForeignTensor& t : foreign_tensors(family, Container::kGguf, model.values.plan)) {
    heads.push_back({t.name, stored_as(t, model.matrices), t.shape()});
    tensors.emplace(t.name, std::move(t));
  }
  const std::vector<float> factors = rope_factors(spec);
  if (!factors.empty()) {
    heads.push_back({kGgufRopeFactors, DType::kF32, {static_cast<i64>(factors.size())}});
  }
  GgufWriter writer(path, entries, std::move(heads));
  const auto read = [&](const std::string& name) {
    const auto at = tensors.find(name);
    return at == tensors.end() ? factors : to_foreign(at->second, model.values);
  };
  write_tensors(writer, read, model.on_tensor);
  return exported;
}

}  // namespace lathe
