#include "train/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "weights/model_directory.h"

namespace lathe::train {

namespace {

// A slice of a flat buffer under `name`, kept alive in `held` when it had to be copied to the host.
TensorToWrite to_write(const std::string& name, const std::vector<i64>& shape, const at::Tensor& t,
                       std::vector<at::Tensor>& held) {
  held.push_back(t.to(at::kCPU).contiguous());
  return {name, DType::kF32, shape, held.back().data_ptr<float>()};
}

// What training can read: at::from_blob knows these.
constexpr DType kReadable[] = {DType::kF32, DType::kBf16};

void read_into(const WeightSource& source, const std::string& name, const std::vector<i64>& shape,
               const at::Tensor& into) {
  const TensorView& found = source.get(name);
  if (std::find(std::begin(kReadable), std::end(kReadable), found.dtype) == std::end(kReadable) ||
      found.shape != shape) {
    fail("[checkpoint] {}: '{}' is {}, expected {}; a checkpoint of another model?", source.where(),
         name, describe_tensor(found.dtype, found.shape), describe_tensor(DType::kF32, shape));
  }
  // from_blob wants a mutable pointer; the copy below only reads.
  void* bytes = const_cast<std::byte*>(found.bytes.data());
  const auto dtype = found.dtype == DType::kF32 ? at::kFloat : at::kBFloat16;
  into.copy_(at::from_blob(bytes, {found.numel()}, at::TensorOptions().dtype(dtype)));
}

at::Tensor slice(const at::Tensor& flat, const Parameter& p) {
  return flat.narrow(0, p.offset, p.info.numel());
}

}  // namespace

void save_model(const std::string& folder, const ModelSpec& spec, Parameters& parameters,
                const Tokenizer& tokenizer, const std::string& chat_template) {
  std::vector<TensorToWrite> tensors;
  std::vector<at::Tensor> held;
  for (const Parameter& p : parameters.list()) {
    tensors.push_back(to_write(p.info.name, p.info.shape, slice(parameters.flat_value, p), held));
  }
  write_model_directory(folder, spec, tensors, tokenizer, chat_template);
}

void load_weights(const WeightSource& source, Parameters& parameters) {
  std::vector<TensorInfo> wanted;
  for (const Parameter& p : parameters.list()) wanted.push_back(p.info);
  check_weights(source, wanted, kReadable);
  for (const Parameter& p : parameters.list()) {
    const at::Tensor& into = p.value.defined() ? p.value : p.compute;
    read_into(source, p.info.name, p.info.shape, into.view({-1}));
  }
  parameters.refresh_compute();
}

namespace {

// Names of a set's states begin with this; a guide's weights are among them.
constexpr const char* kModelPrefix = "";
constexpr const char* kGuidePrefix = "guide.";

// Calls visit(name, shape, tensor) for every state tensor of the set.
template <class Visit>
void visit_states(const std::string& prefix, const TrainedSet& set, const Visit& visit) {
  const Optimizer& optimizer = set.optimizer;
  for (const Parameter& p : set.parameters.list()) {
    const auto flat = [&](const char* what, const at::Tensor& buffer) {
      visit(prefix + what + p.info.name, p.info.shape, slice(buffer, p));
    };
    flat("exp_avg.", optimizer.exp_avg);
    flat("exp_avg_sq.", optimizer.exp_avg_sq);
    if (prefix == kGuidePrefix) flat("value.", set.parameters.flat_value);
  }
  for (const auto& [name, vector] : optimizer.power_vectors) {
    visit(prefix + "power." + name, vector.sizes().vec(), vector.view({-1}));
  }
  visit(prefix + "updates", std::vector<i64>{1}, optimizer.updates.view({1}));
}

}  // namespace

void save_trainer(const std::string& folder, const TrainerState& state, TrainedSet model,
                  const TrainedSet* guide) {
  std::vector<TensorToWrite> tensors;
  std::vector<at::Tensor> held;
  const auto add = [&](const std::string& name, const std::vector<i64>& shape,
                       const at::Tensor& t) { tensors.push_back(to_write(name, shape, t, held)); };
  visit_states(kModelPrefix, model, add);
  if (guide) visit_states(kGuidePrefix, *guide, add);
  write_safetensors(folder + "/" + kTrainerTensorsFile, tensors, {});
  write_file_atomically(folder + "/" + kTrainerFile, write_fields(state).dump(2) + "\n");
}

TrainerState load_trainer_state(const std::string& folder) {
  const std::string path = folder + "/" + kTrainerFile;
  return parse_trainer_state(read_text_file(path), path);
}

void load_checkpoint(const std::string& folder, TrainedSet model, const TrainedSet* guide) {
  load_weights(SafetensorsFile(folder + "/" + kWeightsFile), model.parameters);
  const SafetensorsFile file(folder + "/" + kTrainerTensorsFile);
  const auto read = [&](const std::string& name, const std::vector<i64>& shape,
                        const at::Tensor& into) { read_into(file, name, shape, into); };
  visit_states(kModelPrefix, model, read);
  if (!guide) return;
  visit_states(kGuidePrefix, *guide, read);
  guide->parameters.refresh_compute();
}

}  // namespace lathe::train
