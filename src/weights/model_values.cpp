#include "weights/model_values.h"

#include <algorithm>

#include "base/error.h"
#include "model/counts.h"
#include "weights/merge.h"
#include "weights/number_formats.h"

namespace lathe {

namespace {

constexpr DType kReadable[] = {DType::kF32, DType::kBf16, DType::kF16};

TensorInfo info_of(const Plan& plan, const std::string& name) {
  for (const TensorInfo& info : tensor_list(plan)) {
    if (info.name == name) return info;
  }
  LATHE_CHECK(!"a tensor of the plan");
  return {};
}

// Rows x (n, in) → x Wᵀ (+ b), summed in double. W (out, in).
std::vector<float> applied(const std::vector<float>& x, const std::vector<float>& w,
                           const std::vector<float>* b, i64 in, i64 out) {
  const i64 n = static_cast<i64>(x.size()) / in;
  // Turned, so that the inner loop goes over sums that do not wait for each other.
  std::vector<double> turned(w.size());
  for (i64 o = 0; o < out; ++o) {
    for (i64 i = 0; i < in; ++i) {
      turned[static_cast<size_t>(i * out + o)] =
          static_cast<double>(w[static_cast<size_t>(o * in + i)]);
    }
  }
  std::vector<float> y(static_cast<size_t>(n * out));
  std::vector<double> sums(static_cast<size_t>(out));
  for (i64 t = 0; t < n; ++t) {
    for (size_t o = 0; o < sums.size(); ++o) sums[o] = b ? static_cast<double>((*b)[o]) : 0.0;
    for (i64 i = 0; i < in; ++i) {
      const double scale = static_cast<double>(x[static_cast<size_t>(t * in + i)]);
      const double* line = turned.data() + i * out;
      for (size_t o = 0; o < sums.size(); ++o) sums[o] += scale * line[o];
    }
    for (size_t o = 0; o < sums.size(); ++o) {
      y[static_cast<size_t>(t * out) + o] = static_cast<float>(sums[o]);
    }
  }
  return y;
}

}  // namespace

ModelValues values_of(const Plan& plan, std::shared_ptr<const WeightSource> weights) {
  const std::vector<TensorInfo> list = tensor_list(plan);
  check_weights(*weights, list, kReadable);
  const bool narrow = std::all_of(list.begin(), list.end(), [&](const TensorInfo& info) {
    return !info.matrix || weights->get(info.name).dtype == DType::kBf16;
  });
  return {plan,
          [weights](const TensorInfo& info) {
            const TensorView& t = weights->get(info.name);
            std::vector<float> values(static_cast<size_t>(t.numel()));
            to_f32(t.dtype, t.bytes.data(), t.numel(), values.data());
            return values;
          },
          narrow ? DType::kBf16 : DType::kF32};
}

ModelValues merged(const ModelValues& model) {
  // The structured linears, by the name of the dense weight that takes their place.
  std::vector<BlockLinear> linears;
  const auto plan = std::make_shared<const Plan>(model.plan);  // owns what `linears` borrows
  for (const BlockSpec* b : all_blocks(*plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (form_of(*l.spec) != LinearForm::kDense) linears.push_back(l);
    }
  }
  auto read = [plan, linears, inner = model.read](const TensorInfo& info) {
    const auto at = std::find_if(linears.begin(), linears.end(), [&](const BlockLinear& l) {
      return info.name == tensor_name(l.name, kDenseWeight);
    });
    if (at == linears.end()) return inner(info);
    std::vector<std::vector<float>> weights;
    std::vector<std::span<const float>> views;
    for (const Factor& factor : factors(*at->spec)) {
      weights.push_back(inner(info_of(*plan, tensor_name(at->name, factor.name))));
    }
    for (const auto& w : weights) views.emplace_back(w);
    std::vector<float> dense(static_cast<size_t>(info.numel()));
    merge_to_dense(*at->spec, views, dense);
    return dense;
  };
  return {make_plan(dense_twin(model.plan.spec)), std::move(read),
          linears.empty() ? model.natural_type : DType::kF32};
}

ModelValues best_path(const ModelValues& model) {
  const auto plan = std::make_shared<const Plan>(model.plan);
  const ForkStage* fork = nullptr;
  for (const Stage& stage : plan->stages) {
    if (const auto* f = std::get_if<ForkStage>(&stage)) fork = f;
  }
  if (!fork) {
    fail("this model has no paths to choose from (topology {}); leave out --path best",
         name_of(plan->spec.topology.kind));
  }
  size_t best = fork->paths.size() - 1;  // whose gate is 0
  if (fork->paths.size() > 1) {
    const std::vector<float> gate = model.read(info_of(*plan, kGate));
    const auto most = std::max_element(gate.begin(), gate.end());
    if (*most >= 0) best = static_cast<size_t>(most - gate.begin());
  }
  const PathSpec& path = fork->paths[best];
  ModelSpec spec = plan->spec;
  spec.topology = {};
  spec.n_layers = static_cast<i64>(path.blocks.size());
  spec.tie_embeddings = false;
  const i64 first = path.blocks.empty() ? 0 : path.blocks[0].layer;
  spec.dense_ffn_layers.clear();
  for (const i64 layer : plan->spec.dense_ffn_layers) {
    if (layer >= first && layer < first + spec.n_layers) {
      spec.dense_ffn_layers.push_back(layer - first);
    }
  }
  spec.linears.clear();
  for (size_t i = 0; i < path.blocks.size(); ++i) {
    const auto here = block_linears(path.blocks[i]);
    for (const BlockLinear& l : here) {
      const auto own = plan->spec.linears.find(l.name);
      if (own == plan->spec.linears.end()) continue;
      spec.linears[format("blocks.{}.{}", i, l.part)] = own->second;
    }
  }
  // The path's blocks are numbered from `first` on, under the path's name.
  auto read = [plan, path, first, inner = model.read](const TensorInfo& info) {
    const auto folded = [&](bool with_bias) {
      const std::vector<float> w =
          inner(info_of(*plan, tensor_name(path.name + ".entry", kDenseWeight)));
      const std::vector<float> b = inner(info_of(*plan, tensor_name(path.name + ".entry", "bias")));
      return applied(inner(info), w, with_bias ? &b : nullptr, path.entry.in, path.entry.out);
    };
    const bool positions = plan->spec.position == Position::kLearned;
    if (info.name == kTokenEmbedding) return folded(!positions);
    if (info.name == kPositionEmbedding) return folded(true);
    if (info.name == kHead && plan->spec.tie_embeddings) {
      return inner(info_of(*plan, kTokenEmbedding));
    }
    for (size_t i = 0; i < path.blocks.size(); ++i) {
      const std::string prefix = format("blocks.{}.", i);
      if (!info.name.starts_with(prefix)) continue;
      return inner(info_of(*plan, path.blocks[i].name + "." + info.name.substr(prefix.size())));
    }
    return inner(info);
  };
  return {make_plan(spec), std::move(read), DType::kF32};
}

}  // namespace lathe
