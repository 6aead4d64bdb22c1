#include "train/checkpoint.h"

#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/config_tree.h"
#include "core/safetensors.h"

namespace lathe::train {

void TrainerState::visit_fields(FieldVisitor& v) {
  v.field("step", step, "");
  v.field("next_sample", next_sample, "");
  v.field("tokens", tokens, "");
  v.field("skipped", skipped, "");
  v.field("skipped_in_row", skipped_in_row, "");
  v.field("flops", flops, "");
  v.field("seconds", seconds, "");
  v.field("best_loss", best_loss, "");
  v.field("best_step", best_step, "");
  v.field("last_val_loss", last_val_loss, "");
  v.field("last_eval_step", last_eval_step, "");
  v.field("data", data, "");
}

namespace {

// A slice of a flat buffer under `name`, kept alive in `held` when it had to be copied to the host.
TensorToWrite to_write(const std::string& name, const std::vector<i64>& shape, const at::Tensor& t,
                       std::vector<at::Tensor>& held) {
  held.push_back(t.to(at::kCPU).contiguous());
  return {name, DType::kF32, shape, held.back().data_ptr<float>()};
}

void read_into(const SafetensorsFile& file, const std::string& name, const std::vector<i64>& shape,
               const at::Tensor& into) {
  const TensorView& found = file.get(name);
  if (found.dtype != DType::kF32 && found.dtype != DType::kBf16) {
    fail("[checkpoint] {}: '{}' is {}, expected F32 or BF16", file.path(), name,
         describe_tensor(found.dtype, found.shape));
  }
  if (found.shape != shape) {
    fail("[checkpoint] {}: '{}' is {}, expected {}; a checkpoint of another model?", file.path(),
         name, describe_tensor(found.dtype, found.shape), describe_tensor(found.dtype, shape));
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

void save_model(const std::string& folder, ModelSpec spec, Parameters& parameters,
                const Tokenizer& tokenizer) {
  spec.tokenizer = tokenizer.save(folder);
  write_file_atomically(folder + "/config.json", to_json(spec).dump(2) + "\n");
  std::vector<TensorToWrite> tensors;
  std::vector<at::Tensor> held;
  for (const Parameter& p : parameters.list()) {
    tensors.push_back(to_write(p.info.name, p.info.shape, slice(parameters.flat_value, p), held));
  }
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
}

void load_weights(const std::string& path, Parameters& parameters) {
  const SafetensorsFile file(path);
  for (const Parameter& p : parameters.list()) {
    read_into(file, p.info.name, p.info.shape, slice(parameters.flat_value, p));
  }
  parameters.refresh_compute();
}

void save_trainer(const std::string& folder, const TrainerState& state, Parameters& parameters,
                  const AdamW& optimizer) {
  std::vector<TensorToWrite> tensors;
  std::vector<at::Tensor> held;
  for (const Parameter& p : parameters.list()) {
    const auto add = [&](const char* prefix, const at::Tensor& flat) {
      tensors.push_back(to_write(prefix + p.info.name, p.info.shape, slice(flat, p), held));
    };
    add("exp_avg.", optimizer.exp_avg);
    add("exp_avg_sq.", optimizer.exp_avg_sq);
  }
  tensors.push_back(to_write("updates", {1}, optimizer.updates.view({1}), held));
  write_safetensors(folder + "/trainer.safetensors", tensors, {});
  write_file_atomically(folder + "/trainer.json", write_fields(state).dump(2) + "\n");
}

TrainerState load_checkpoint(const std::string& folder, Parameters& parameters, AdamW& optimizer) {
  load_weights(folder + "/model.safetensors", parameters);
  const SafetensorsFile file(folder + "/trainer.safetensors");
  for (const Parameter& p : parameters.list()) {
    read_into(file, "exp_avg." + p.info.name, p.info.shape, slice(optimizer.exp_avg, p));
    read_into(file, "exp_avg_sq." + p.info.name, p.info.shape, slice(optimizer.exp_avg_sq, p));
  }
  read_into(file, "updates", {1}, optimizer.updates.view({1}));
  TrainerState state;
  const std::string path = folder + "/trainer.json";
  read_fields(parse_json(read_text_file(path), path), state, path);
  return state;
}

}  // namespace lathe::train
