#include "train/teacher.h"

#include <algorithm>

#include "base/checksum.h"
#include "run/run_directory.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "weights/model_values.h"

namespace lathe::train {

namespace {

void check_blocks(const RunSpec& run, const ModelDirectory& teacher) {
  const ModelSpec& ours = run.model;
  const ModelSpec& theirs = teacher.plan.spec;
  for (const ModelSpec* spec : {&ours, &theirs}) {
    if (spec->topology.kind == TopologyKind::kGpt) continue;
    fail(
        "[run] teacher.mode = \"blocks\" trains models of the topology gpt, and {} is a {}; "
        "teacher.mode = \"logits\" takes any",
        spec == &ours ? "[model]" : teacher.path, name_of(spec->topology.kind));
  }
  if (ours.n_layers == theirs.n_layers && ours.d_model == theirs.d_model) return;
  fail(
      "[run] teacher.mode = \"blocks\" sets each block beside the teacher's, and {} has {} of "
      "width {}, [model] {} of width {}; teacher.mode = \"logits\" takes any",
      teacher.path, theirs.n_layers, theirs.d_model, ours.n_layers, ours.d_model);
}

std::string fingerprint_of(const WeightSource& weights) {
  uint32_t sum = 0;
  std::vector<const TensorView*> tensors;
  for (const TensorView& tensor : weights.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  for (const TensorView* tensor : tensors) sum = checksum(tensor->bytes, sum);
  return format("{}x{:08x}", tensors.size(), sum);
}

}  // namespace

ModelDirectory open_teacher(const RunSpec& run, const Tokenizer& tokenizer,
                            const std::function<void(const std::string&)>& say) {
  ModelDirectory teacher = open_model_directory(model_directory(run.teacher.model, say));
  const ModelSpec& spec = teacher.plan.spec;
  if (spec.vocab_size != run.model.vocab_size) {
    fail("[run] teacher.model {} has a vocabulary of {}, and model.vocab_size is {}; expected one",
         teacher.path, spec.vocab_size, run.model.vocab_size);
  }
  if (spec.context_length < run.model.context_length) {
    fail(
        "[run] teacher.model {} has a context of {}, and model.context_length is {}; set that to "
        "at most {}",
        teacher.path, spec.context_length, run.model.context_length, spec.context_length);
  }
  check_same_tokenizer(teacher, "teacher.model", tokenizer);
  if (run.teacher.mode == TeacherMode::kBlocks) check_blocks(run, teacher);
  return teacher;
}

void start_guide_from(Guidance& guidance, const ModelDirectory& teacher) {
  const ModelValues dense = merged(values_of(teacher.plan, teacher.weights));
  std::map<std::string, TensorInfo> theirs;
  for (const TensorInfo& info : tensor_list(dense.plan)) theirs.emplace(info.name, info);
  for (Parameter& guide : guidance.parameters.list()) {
    const std::string name = tensor_name(guide.info.part, "weight");
    const auto found = theirs.find(name);
    if (found == theirs.end() || found->second.shape != guide.info.shape) {
      fail("[run] teacher.model {}: '{}' is {}, expected {} for self_guided.from = \"teacher\"",
           teacher.path, name,
           found == theirs.end() ? "not there" : describe_tensor(DType::kF32, found->second.shape),
           describe_tensor(DType::kF32, guide.info.shape));
    }
    const std::vector<float> values = dense.read(found->second);
    // from_blob wants a mutable pointer; the copy only reads.
    guide.value.view({-1}).copy_(at::from_blob(const_cast<float*>(values.data()),
                                               {guide.info.numel()},
                                               at::TensorOptions().dtype(at::kFloat)));
  }
  guidance.parameters.refresh_compute();
}

Teacher::Teacher(const ModelDirectory& directory, at::Device device, Precision precision)
    : plan_(directory.plan),
      parameters_(Parameters::fixed(plan_, device, precision)),
      model_(plan_, *parameters_, /*recompute=*/false),
      fingerprint_(fingerprint_of(*directory.weights)) {
  load_weights(*directory.weights, *parameters_);
}

at::Tensor Teacher::forward(const at::Tensor& tokens) const {
  at::NoGradGuard no_grad;
  return model_.forward(tokens);
}

}  // namespace lathe::train
