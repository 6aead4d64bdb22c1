#include "infer/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/config_tree.h"
#include "base/error.h"
#include "base/suggest.h"
#include "kernels/dispatch.h"
#include "model/tensor_list.h"

namespace lathe::infer {

namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A tensor in the model's memory: matrices in their stored type, everything else as f32.
struct Placed {
  DType dtype;
  const char* data;
};

// The file's tensors by name, each checked against the list.
std::unordered_map<std::string, const TensorView*> check_tensors(
    const std::vector<TensorInfo>& list, std::span<const TensorView> tensors,
    const std::string& where) {
  std::unordered_map<std::string, const TensorView*> by_name;
  std::vector<std::string> names;
  for (const TensorView& t : tensors) by_name.emplace(t.name, &t);
  for (const TensorInfo& info : list) {
    names.push_back(info.name);
    const auto at = by_name.find(info.name);
    if (at == by_name.end()) {
      fail("[model] {}: tensor '{}' {} is missing; the config is of another model", where,
           info.name, describe_tensor(DType::kF32, info.shape));
    }
    const TensorView& t = *at->second;
    if (t.dtype != DType::kF32 && t.dtype != DType::kBf16) {
      fail("[model] {}: tensor '{}' is {}, expected F32 or BF16; convert it", where, info.name,
           describe_tensor(t.dtype, t.shape));
    }
    if (t.shape != info.shape) {
      fail("[model] {}: tensor '{}' is {}, the config asks for {}", where, info.name,
           describe_tensor(t.dtype, t.shape), describe_tensor(t.dtype, info.shape));
    }
  }
  if (by_name.size() == list.size()) return by_name;
  for (const TensorView& t : tensors) {
    if (std::find(names.begin(), names.end(), t.name) != names.end()) continue;
    fail("[model] {}: tensor '{}' {} is not in the config's model{}", where, t.name,
         describe_tensor(t.dtype, t.shape), did_you_mean(t.name, names));
  }
  return by_name;
}

// (out, in, kernel) → (out, kernel, in), so that a window of inputs is one vector.
void copy_kernel_first(const TensorView& t, char* to) {
  const i64 out = t.shape[0], in = t.shape[1], kernel = t.shape[2], size = dtype_bytes(t.dtype);
  const auto* from = reinterpret_cast<const char*>(t.bytes.data());
  for (i64 o = 0; o < out; ++o) {
    for (i64 i = 0; i < in; ++i) {
      for (i64 k = 0; k < kernel; ++k) {
        std::memcpy(to + ((o * kernel + k) * in + i) * size,
                    from + ((o * in + i) * kernel + k) * size, static_cast<size_t>(size));
      }
    }
  }
}

// Walks the plan and hands out the placed tensors.
class Builder {
 public:
  Builder(Model& model, std::span<const TensorView> tensors, const std::string& where)
      : model_(model) {
    const std::vector<TensorInfo> list = tensor_list(model.plan);
    const auto by_name = check_tensors(list, tensors, where);
    size_t total = 0;
    for (const TensorInfo& info : list) total += aligned(size_of(info, *by_name.at(info.name)));
    model_.memory.emplace_back(total);
    char* next = model_.memory.back().as<char>();
    for (const TensorInfo& info : list) {
      const TensorView& t = *by_name.at(info.name);
      model_.weight_bytes += static_cast<i64>(t.bytes.size());
      if (info.matrix && !info.linear && info.shape.size() == 3) {
        copy_kernel_first(t, next);
      } else if (info.matrix || t.dtype == DType::kF32) {
        if (!t.bytes.empty()) std::memcpy(next, t.bytes.data(), t.bytes.size());
      } else {
        kernels().from_bf16(reinterpret_cast<const uint16_t*>(t.bytes.data()),
                            reinterpret_cast<float*>(next), t.numel());
      }
      placed_.emplace(info.name, Placed{info.matrix ? t.dtype : DType::kF32, next});
      next += aligned(size_of(info, t));
    }
  }

  LoadedStage operator()(const EmbedStage& s) {
    Embed embed{s, matrix(kTokenEmbedding, 1, s.vocab_size, s.width), {}};
    if (s.learned_positions) {
      embed.positions = matrix(kPositionEmbedding, 1, s.context_length, s.width);
    }
    return embed;
  }
  LoadedStage operator()(const BlocksStage& s) { return Blocks{blocks(s.blocks)}; }
  LoadedStage operator()(const ProjectStage& s) {
    Project p{s, 0, matrix(tensor_name(s.name, "weight"), 1, s.out, s.kernel_size * s.in),
              vector(tensor_name(s.name, "bias"))};
    if (s.kernel_size > 1) p.index = n_memories_++;
    return p;
  }
  LoadedStage operator()(const ForkStage& s) {
    Fork fork;
    for (const PathSpec& path : s.paths) {
      fork.paths.push_back({linear(path.name + ".entry", path.entry), blocks(path.blocks)});
    }
    // softmax([gate, 0]).
    const size_t n = s.paths.size();
    std::vector<double> gate(n, 0.0);
    for (size_t i = 0; i + 1 < n; ++i) gate[i] = static_cast<double>(vector(kGate)[i]);
    fork.best = static_cast<size_t>(std::max_element(gate.begin(), gate.end()) - gate.begin());
    const double top = gate[fork.best];
    double total = 0;
    for (double& g : gate) total += g = std::exp(g - top);
    for (const double g : gate) fork.shares.push_back(static_cast<float>(g / total));
    return fork;
  }
  LoadedStage operator()(const NormStage& s) { return FinalNorm{norm(kFinalNorm, s.norm)}; }
  LoadedStage operator()(const HeadStage& s) {
    return Head{s, matrix(s.tied ? kTokenEmbedding : kHead, 1, s.vocab_size, s.in)};
  }

 private:
  static size_t size_of(const TensorInfo& info, const TensorView& t) {
    const i64 width = info.matrix ? dtype_bytes(t.dtype) : dtype_bytes(DType::kF32);
    return static_cast<size_t>(t.numel() * width);
  }
  WeightView matrix(const std::string& name, i64 n_blocks, i64 rows, i64 cols) const {
    const Placed& p = placed_.at(name);
    return {p.dtype, p.data, n_blocks, rows, cols};
  }
  const float* vector(const std::string& name) const {
    return reinterpret_cast<const float*>(placed_.at(name).data);
  }
  Linear linear(const std::string& part, const LinearSpec& spec) const {
    Linear l{spec, two_factor(spec), {}, {}, nullptr};
    if (l.shape) {
      const TwoFactor& f = *l.shape;
      l.first = matrix(tensor_name(part, kFactorV), f.v_blocks, f.v_out, f.v_in);
      l.second = matrix(tensor_name(part, kFactorU), f.u_blocks, f.u_out, f.u_in);
    } else {
      l.first = matrix(tensor_name(part, kDenseWeight), 1, spec.out, spec.in);
    }
    if (spec.bias) l.bias = vector(tensor_name(part, "bias"));
    return l;
  }
  Norm norm(const std::string& part, const NormSpec& spec) const {
    return {spec, vector(tensor_name(part, "weight")),
            spec.bias ? vector(tensor_name(part, "bias")) : nullptr};
  }
  std::vector<Block> blocks(const std::vector<BlockSpec>& specs) const {
    std::vector<Block> list;
    for (const BlockSpec& b : specs) {
      const auto [qkv, out, up, down] = block_linears(b);
      list.push_back({b, norm(tensor_name(b.name, kNorm1), b.norm_1),
                      norm(tensor_name(b.name, kNorm2), b.norm_2), linear(qkv.name, b.qkv),
                      linear(out.name, b.out), linear(up.name, b.up), linear(down.name, b.down)});
    }
    return list;
  }

  Model& model_;
  std::unordered_map<std::string, Placed> placed_;
  i64 n_memories_ = 0;
};

}  // namespace

std::unique_ptr<const Model> make_model(Plan plan, std::span<const TensorView> tensors,
                                        const std::string& where) {
  auto model = std::make_unique<Model>();
  model->plan = std::move(plan);
  Builder builder(*model, tensors, where);
  for (const Stage& stage : model->plan.stages) {
    model->stages.push_back(std::visit(builder, stage));
  }
  return model;
}

std::unique_ptr<const Model> load_model(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    fail("[model] '{}' is no directory; expected one with config.json and model.safetensors",
         directory);
  }
  const std::string config = (fs::path(directory) / "config.json").string();
  const std::string weights = (fs::path(directory) / "model.safetensors").string();
  for (const std::string& path : {config, weights}) {
    if (!fs::exists(path, ignored)) {
      fail("[model] '{}' is missing; a model directory holds config.json and model.safetensors",
           path);
    }
  }
  const ModelSpec spec = parse_model_spec(load_config(config), config);
  Plan plan = blaming(config, [&] { return make_plan(spec); });
  const SafetensorsFile file(weights);
  return make_model(std::move(plan), file.tensors(), weights);
}

}  // namespace lathe::infer
