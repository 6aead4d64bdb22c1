// A model in memory, ready to run: the plan's stages with their matrices in panels
// (kernels/kernels.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/buffer.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "model/plan.h"
#include "weights/weight_source.h"

namespace lathe::infer {

// All pointers and views below are borrowed from the Model.
struct Linear {
  LinearSpec spec;
  std::optional<TwoFactor> shape;  // nothing for dense
  std::vector<PanelView> weights;  // those of factors(spec), in their order
  const float* bias = nullptr;     // (out), or null
};

struct Norm {
  NormSpec spec;
  const NormKernel* kernel;
  const float* weight = nullptr;  // (width)
  const float* bias = nullptr;    // (width), or null
};

struct Block {
  BlockSpec spec;
  const ActivationKernel* activation;
  Norm norm_1, norm_2;
  std::optional<Norm> q_norm, k_norm;
  Linear qkv, out, up, down;
};

struct Embed {
  EmbedStage spec;
  PanelView tokens;     // (vocab_size, width)
  PanelView positions;  // (context_length, width); no data where they are not learned
};
struct Blocks {
  std::vector<Block> blocks;
};
// The convolution as a linear map of kernel_size inputs in a row, oldest first.
struct Project {
  ProjectStage spec;
  i64 index = 0;     // among the projections with a memory: its slot in the KvCache
  PanelView weight;  // (out, kernel_size · in)
  const float* bias = nullptr;
};
struct Path {
  Linear entry;
  std::vector<Block> blocks;
};
struct Fork {
  std::vector<Path> paths;
  std::vector<float> shares;  // α of each path, sum 1
  size_t best = 0;            // the path with the largest
};
struct FinalNorm {
  Norm norm;
};
struct Head {
  HeadStage spec;
  PanelView weight;  // (vocab_size, in)
};
using LoadedStage = std::variant<Embed, Blocks, Project, Fork, FinalNorm, Head>;

// Const after construction: any number of threads may run it, each with its own State.
struct Model {
  Plan plan;
  std::vector<LoadedStage> stages;  // one for one those of the plan
  i64 weight_bytes = 0;             // of all tensors as stored
  // What the stages point into: the panels of all matrices, and each vector.
  Buffer panels;
  std::vector<Buffer> vectors;
};

// Takes the weights of `plan` from `weights`, which may go afterwards, on the pool's threads. Error
// unless its tensors are exactly those of tensor_list(plan), of types that the kernels can run, and
// there is memory for them.
std::unique_ptr<const Model> make_model(Plan plan, const WeightSource& weights, ThreadPool& pool);
// On one thread.
std::unique_ptr<const Model> make_model(Plan plan, const WeightSource& weights);

}  // namespace lathe::infer
