// Tiny random models, made in code: any spec as tensors, and as a model directory.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/rng.h"
#include "model/plan.h"
#include "model/tensor_list.h"
#include "support/linear_kinds.h"
#include "weights/safetensors.h"

namespace lathe::test {

// The values of every tensor, by name.
using TinyWeights = std::map<std::string, std::vector<float>>;

// Random values that keep activations near 1, so that a difference in logits means something.
inline TinyWeights random_weights(const Plan& plan, uint64_t seed) {
  TinyWeights weights;
  uint32_t stream = 0;
  for (const TensorInfo& info : tensor_list(plan)) {
    const Random random(seed, RandomUse::kInit, ++stream);
    std::vector<float> values(static_cast<size_t>(info.numel()));
    const double fan_in = info.matrix ? static_cast<double>(info.shape[1]) : 1.0;
    const bool norm_weight = info.init == InitRule::kOnes;
    for (size_t i = 0; i < values.size(); ++i) {
      const double x = random.normal(i);
      values[i] = static_cast<float>(norm_weight   ? 1 + 0.2 * x
                                     : info.matrix ? x / std::sqrt(fan_in)
                                                   : 0.3 * x);
    }
    weights.emplace(info.name, std::move(values));
  }
  return weights;
}

// Writes config.json and model.safetensors into the existing folder `dir`; with `dtype` kBf16 the
// matrices are rounded, in `weights` too, so that it goes on saying what the model holds.
inline void write_model(const ModelSpec& spec, TinyWeights& weights, const std::string& dir,
                        DType dtype = DType::kF32) {
  const Plan plan = make_plan(spec);
  std::vector<TensorToWrite> tensors;
  std::vector<std::vector<Bf16>> narrow;
  const std::vector<TensorInfo> list = tensor_list(plan);
  narrow.reserve(list.size());
  for (const TensorInfo& info : list) {
    std::vector<float>& values = weights.at(info.name);
    const void* data = values.data();
    const bool rounds = dtype == DType::kBf16 && info.matrix;
    if (rounds) {
      std::vector<Bf16>& halves = narrow.emplace_back();
      for (float& x : values) {
        halves.emplace_back(x);
        x = static_cast<float>(halves.back());
      }
      data = halves.data();
    }
    tensors.push_back({info.name, rounds ? DType::kBf16 : DType::kF32, info.shape, data});
  }
  write_file_atomically(dir + "/config.json", to_json(spec).dump(2));
  write_safetensors(dir + "/model.safetensors", tensors, {});
}

// A small spec that everything divides: width 24, 4 layers, 3 heads.
inline ModelSpec tiny_spec() {
  ModelSpec spec;
  spec.vocab_size = 37;
  spec.context_length = 48;
  spec.d_model = 48;
  spec.n_layers = 4;
  spec.n_heads = 6;
  spec.n_kv_heads = 6;
  spec.d_head = 8;
  spec.d_ff = 96;
  spec.dense_ffn_layers = {};
  spec.tokenizer = "bytes";
  return spec;
}

struct NamedSpec {
  std::string name;
  ModelSpec spec;
};

// Every topology × kind of linear, and on top of them each other option at least once.
inline std::vector<NamedSpec> tiny_specs() {
  std::vector<NamedSpec> list;
  const auto add = [&](const std::string& name, const ModelSpec& spec) {
    list.push_back({name, spec});
  };
  for (const TopologyKind topology : kValuesOf<TopologyKind>) {
    for (const LinearOption& kind : kTinyLinears) {
      ModelSpec spec = tiny_spec();
      spec.topology.kind = topology;
      spec.tie_embeddings = topology == TopologyKind::kGpt || topology == TopologyKind::kPgpt;
      spec.ffn_linear = kind;
      spec.attention_linear = kind;
      const bool halves = topology == TopologyKind::kLgpt || topology == TopologyKind::kCgpt;
      if (halves && kind.kind == LinearKind::kBlockShuffle && kind.n_blocks == 2) continue;
      add(std::string(name_of(topology)) + " " + std::string(name_of(kind.kind)) +
              std::to_string(kind.n_blocks),
          spec);
    }
  }
  for (const NormKind norm : kValuesOf<NormKind>) {
    for (const Activation activation : kValuesOf<Activation>) {
      for (const Position position : kValuesOf<Position>) {
        ModelSpec spec = tiny_spec();
        spec.norm = norm;
        spec.activation = activation;
        spec.position = position;
        spec.n_kv_heads = position == Position::kRope ? 2 : position == Position::kNone ? 1 : 6;
        spec.linear_bias = activation != Activation::kSwiglu;
        spec.norm_bias = activation != Activation::kGelu;
        spec.tie_embeddings = position != Position::kNone;
        spec.dense_ffn_layers = {0};
        spec.ffn_linear = {LinearKind::kLowRank, 7, 0};
        add("gpt " + std::string(name_of(norm)) + " " + std::string(name_of(activation)) + " " +
                std::string(name_of(position)),
            spec);
      }
    }
  }
  for (const NormKind norm : kValuesOf<NormKind>) {
    ModelSpec spec = tiny_spec();
    spec.norm = norm;
    spec.qk_norm = true;
    spec.n_kv_heads = 2;
    spec.parallel_residual = norm == NormKind::kLayerNorm;
    spec.rope_dims = norm == NormKind::kLayerNorm ? 4 : 0;
    spec.rope_scaling = {.kind = RopeScaling::kLlama3, .factor = 8, .original_context_length = 64};
    spec.biased_linears = {"attention.qkv", "ffn.down"};
    add("gpt " + std::string(name_of(norm)) + " with q and k normed, rope scaled", spec);
  }
  ModelSpec slow = tiny_spec();
  slow.rope_scaling = {.kind = RopeScaling::kLinear, .factor = 2.5};
  slow.topology.kind = TopologyKind::kPgpt;
  slow.parallel_residual = true;
  add("pgpt with parallel residuals, rope slowed", slow);
  ModelSpec paths = tiny_spec();
  paths.topology = {TopologyKind::kPgpt, 4, 2, 3};
  add("pgpt of 4 paths", paths);
  ModelSpec wide = tiny_spec();
  wide.topology = {TopologyKind::kCgpt, 2, 1, 5};
  wide.tie_embeddings = false;
  wide.position = Position::kNone;
  add("cgpt, kernel 5 after every block", wide);
  return list;
}

}  // namespace lathe::test
