#include "infer/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "base/memory_limits.h"
#include "kernels/dispatch.h"
#include "model/tensor_list.h"

namespace lathe::infer {

namespace {

std::vector<DType> runnable() {
  std::vector<DType> types;
  for (const StoredType& row : kStoredTypes) {
    if (is_runnable(row.type)) types.push_back(row.type);
  }
  return types;
}

// (out, in, kernel) → (out, kernel, in), so that a window of inputs is one vector.
Buffer with_kernel_first(const TensorView& t) {
  const i64 out = t.shape[0], in = t.shape[1], kernel = t.shape[2], size = stored_bytes(t.dtype, 1);
  LATHE_CHECK(stored_type(t.dtype).block_values == 1);
  Buffer turned(t.bytes.size());
  char* to = turned.as<char>();
  const auto* from = reinterpret_cast<const char*>(t.bytes.data());
  for (i64 o = 0; o < out; ++o) {
    for (i64 i = 0; i < in; ++i) {
      for (i64 k = 0; k < kernel; ++k) {
        std::memcpy(to + ((o * kernel + k) * in + i) * size,
                    from + ((o * in + i) * kernel + k) * size, static_cast<size_t>(size));
      }
    }
  }
  return turned;
}

// Walks the plan and hands out the source's tensors: matrices in their stored type, everything else
// as f32.
class Builder {
 public:
  Builder(Model& model, Residence residence) : model_(model) {
    const std::vector<TensorInfo> list = tensor_list(model.plan);
    check_weights(*model.weights, list, runnable());
    switch (residence) {
      case Residence::kMapped:
        model_.weights->read_ahead();
        break;
      case Residence::kHugePages:
        gather(list);
        break;
    }
    for (const TensorInfo& info : list) {
      const TensorView& t = model.weights->get(info.name);
      model_.weight_bytes += static_cast<i64>(t.bytes.size());
      if (!placed_.contains(info.name)) placed_.emplace(info.name, place(info, t));
    }
    if (residence == Residence::kHugePages) model_.weights.reset();
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
  // A tensor in memory.
  struct Placed {
    DType dtype;
    const void* data;
  };
  static bool is_turned(const TensorInfo& info) {
    return info.matrix && !info.linear && info.shape.size() == 3;
  }
  // Copies all matrices into one buffer, so that small ones share its huge pages.
  void gather(const std::vector<TensorInfo>& list) {
    constexpr size_t kAlignment = 64;
    const auto aligned = [](size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
    size_t total = 0;
    const auto each = [&](const auto& visit) {
      for (const TensorInfo& info : list) {
        if (info.matrix && !is_turned(info)) visit(info, model_.weights->get(info.name));
      }
    };
    each([&](const TensorInfo&, const TensorView& t) { total += aligned(t.bytes.size()); });
    Buffer buffer(total);
    char* next = buffer.as<char>();
    each([&](const TensorInfo& info, const TensorView& t) {
      if (!t.bytes.empty()) std::memcpy(next, t.bytes.data(), t.bytes.size());
      placed_.emplace(info.name, Placed{t.dtype, next});
      next += aligned(t.bytes.size());
    });
    model_.copies.push_back(std::move(buffer));
  }
  Placed place(const TensorInfo& info, const TensorView& t) {
    if (is_turned(info)) return keep(t.dtype, with_kernel_first(t));
    // A file from elsewhere may align nothing; ours align every tensor to its element.
    const auto unit = static_cast<size_t>(std::min<i64>(stored_type(t.dtype).block_bytes, 4));
    const bool aligned = reinterpret_cast<uintptr_t>(t.bytes.data()) % unit == 0;
    if (info.matrix && aligned) return {t.dtype, t.bytes.data()};
    if (info.matrix || t.dtype == DType::kF32) {
      Buffer copy(t.bytes.size());
      if (!t.bytes.empty()) std::memcpy(copy.data(), t.bytes.data(), t.bytes.size());
      return keep(t.dtype, std::move(copy));
    }
    Buffer wide(static_cast<size_t>(stored_bytes(DType::kF32, t.numel())));
    stored_kernels(kernels(), t.dtype).widen(t.bytes.data(), wide.as<float>(), t.numel());
    return keep(DType::kF32, std::move(wide));
  }
  Placed keep(DType dtype, Buffer buffer) {
    model_.copies.push_back(std::move(buffer));
    return {dtype, model_.copies.back().data()};
  }

  WeightView matrix(const std::string& name, i64 n_blocks, i64 rows, i64 cols) const {
    const Placed& p = placed_.at(name);
    return {p.dtype, p.data, n_blocks, rows, cols};
  }
  const float* vector(const std::string& name) const {
    return static_cast<const float*>(placed_.at(name).data);
  }
  Linear linear(const std::string& part, const LinearSpec& spec) const {
    Linear l{spec, two_factor(spec), {}, nullptr};
    for (const Factor& factor : factors(spec)) {
      // (blocks, rows, cols), or a single one.
      const std::vector<i64>& shape = factor.shape;
      const size_t n = shape.size();
      l.weights.push_back(matrix(tensor_name(part, factor.name), n == 3 ? shape[0] : 1,
                                 shape[n - 2], shape[n - 1]));
    }
    if (spec.bias) l.bias = vector(tensor_name(part, "bias"));
    return l;
  }
  Norm norm(const std::string& part, const NormSpec& spec) const {
    return {spec, &norm_kernel(kernels(), name_of(spec.kind)), vector(tensor_name(part, "weight")),
            spec.bias ? vector(tensor_name(part, "bias")) : nullptr};
  }
  std::vector<Block> blocks(const std::vector<BlockSpec>& specs) const {
    std::vector<Block> list;
    for (const BlockSpec& b : specs) {
      const auto [qkv, out, up, down] = block_linears(b);
      const auto head_norm = [&](const char* part) {
        return b.qk_norm ? std::optional(norm(tensor_name(b.name, part), *b.qk_norm))
                         : std::nullopt;
      };
      list.push_back({.spec = b,
                      .activation = &activation_kernel(kernels(), name_of(b.activation)),
                      .norm_1 = norm(tensor_name(b.name, kNorm1), b.norm_1),
                      .norm_2 = norm(tensor_name(b.name, kNorm2), b.norm_2),
                      .q_norm = head_norm(kQNorm),
                      .k_norm = head_norm(kKNorm),
                      .qkv = linear(qkv.name, b.qkv),
                      .out = linear(out.name, b.out),
                      .up = linear(up.name, b.up),
                      .down = linear(down.name, b.down)});
    }
    return list;
  }

  Model& model_;
  std::unordered_map<std::string, Placed> placed_;
  i64 n_memories_ = 0;
};

}  // namespace

Residence choose_residence(const WeightSource& weights) {
  i64 bytes = 0;
  for (const TensorView& t : weights.tensors()) bytes += static_cast<i64>(t.bytes.size());
  return bytes <= available_memory() / 2 ? Residence::kHugePages : Residence::kMapped;
}

std::unique_ptr<const Model> make_model(Plan plan, std::shared_ptr<const WeightSource> weights,
                                        Residence residence) {
  auto model = std::make_unique<Model>();
  model->plan = std::move(plan);
  model->weights = std::move(weights);
  Builder builder(*model, residence);
  for (const Stage& stage : model->plan.stages) {
    model->stages.push_back(std::visit(builder, stage));
  }
  return model;
}

}  // namespace lathe::infer
