#include "infer/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "base/memory_limits.h"
#include "base/numeric.h"
#include "kernels/dispatch.h"
#include "model/tensor_list.h"
#include "weights/number_formats.h"

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

// Walks the plan and hands out the source's tensors: matrices in panels of their stored type,
// everything else as f32.
class Builder {
 public:
  Builder(Model& model, const WeightSource& weights, ThreadPool& pool)
      : model_(model), weights_(weights) {
    const std::vector<TensorInfo> list = tensor_list(model.plan);
    check_weights(weights, list, runnable());
    weights.read_ahead();
    make_panels(list, pool);
    for (const TensorInfo& info : list) {
      const TensorView& t = weights.get(info.name);
      model_.weight_bytes += static_cast<i64>(t.bytes.size());
      if (!info.matrix) vectors_.emplace(info.name, widened(t));
    }
  }

  LoadedStage operator()(const EmbedStage& s) {
    return Embed{s, matrix(kTokenEmbedding),
                 s.learned_positions ? matrix(kPositionEmbedding) : PanelView{}};
  }
  LoadedStage operator()(const BlocksStage& s) { return Blocks{blocks(s.blocks)}; }
  LoadedStage operator()(const ProjectStage& s) {
    Project p{s, 0, matrix(tensor_name(s.name, "weight")), vector(tensor_name(s.name, "bias"))};
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
    return Head{s, matrix(s.tied ? kTokenEmbedding : kHead)};
  }

 private:
  // As products see a matrix: (out, in · kernel) where it is a convolution's (out, in, kernel).
  static PanelView shape_of(const TensorInfo& info, DType dtype) {
    const std::vector<i64>& shape = info.shape;
    if (shape.size() == 2) return {dtype, nullptr, 1, shape[0], shape[1]};
    if (info.linear) return {dtype, nullptr, shape[0], shape[1], shape[2]};
    return {dtype, nullptr, 1, shape[0], shape[1] * shape[2]};
  }
  // All matrices into one buffer, so that small ones share its huge pages.
  void make_panels(const std::vector<TensorInfo>& list, ThreadPool& pool) {
    constexpr i64 kAlignment = 64;
    i64 total = 0;
    for (const TensorInfo& info : list) {
      if (!info.matrix) continue;
      PanelView view = shape_of(info, weights_.get(info.name).dtype);
      panels_.emplace(info.name, view);
      total += div_up(panel_bytes(kernels(), view), kAlignment) * kAlignment;
    }
    const i64 available = available_memory();
    if (available > 0 && total > available) {
      fail(
          "[model] {} needs {} MB of memory, {} MB are available; free some, or take a smaller one",
          weights_.where(), total >> 20, available >> 20);
    }
    model_.panels = Buffer(static_cast<size_t>(total));
    char* next = model_.panels.as<char>();
    for (const TensorInfo& info : list) {
      if (!info.matrix) continue;
      PanelView& view = panels_.at(info.name);
      view.data = next;
      const TensorView& t = weights_.get(info.name);
      Buffer copy;
      pack_panels(kernels(), pool, view, rows_of(info, t, copy), next);
      next += div_up(panel_bytes(kernels(), view), kAlignment) * kAlignment;
    }
  }
  // The matrix's rows, in `copy` where the source has them in another order or not aligned: ours
  // align every tensor to its element, a file from elsewhere may align nothing.
  static const void* rows_of(const TensorInfo& info, const TensorView& t, Buffer& copy) {
    if (!info.linear && info.shape.size() == 3) {
      copy = with_kernel_first(t);
      return copy.data();
    }
    const auto unit = static_cast<size_t>(std::min<i64>(stored_type(t.dtype).block_bytes, 4));
    if (t.bytes.empty() || reinterpret_cast<uintptr_t>(t.bytes.data()) % unit == 0) {
      return t.bytes.data();
    }
    copy = Buffer(t.bytes.size());
    std::memcpy(copy.data(), t.bytes.data(), t.bytes.size());
    return copy.data();
  }
  const float* widened(const TensorView& t) {
    Buffer wide(static_cast<size_t>(stored_bytes(DType::kF32, t.numel())));
    to_f32(t.dtype, t.bytes.data(), t.numel(), wide.as<float>());
    model_.vectors.push_back(std::move(wide));
    return model_.vectors.back().as<float>();
  }

  const PanelView& matrix(const std::string& name) const { return panels_.at(name); }
  const float* vector(const std::string& name) const { return vectors_.at(name); }
  Linear linear(const std::string& part, const LinearSpec& spec) const {
    Linear l{spec, two_factor(spec), {}, nullptr};
    for (const Factor& factor : factors(spec)) {
      l.weights.push_back(matrix(tensor_name(part, factor.name)));
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
  const WeightSource& weights_;
  std::unordered_map<std::string, PanelView> panels_;
  std::unordered_map<std::string, const float*> vectors_;
  i64 n_memories_ = 0;
};

}  // namespace

std::unique_ptr<const Model> make_model(Plan plan, const WeightSource& weights, ThreadPool& pool) {
  auto model = std::make_unique<Model>();
  model->plan = std::move(plan);
  Builder builder(*model, weights, pool);
  for (const Stage& stage : model->plan.stages) {
    model->stages.push_back(std::visit(builder, stage));
  }
  return model;
}

std::unique_ptr<const Model> make_model(Plan plan, const WeightSource& weights) {
  ThreadPool one(1);
  return make_model(std::move(plan), weights, one);
}

}  // namespace lathe::infer
