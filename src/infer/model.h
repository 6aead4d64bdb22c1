// A model in memory, ready to run: the plan's stages with their weights in the stored type.
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
  std::optional<TwoFactor> shape;   // nothing for dense
  std::vector<WeightView> weights;  // those of factors(spec), in their order
  const float* bias = nullptr;      // (out), or null
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
  WeightView tokens;     // (vocab_size, width)
  WeightView positions;  // (context_length, width); no data where they are not learned
};
struct Blocks {
  std::vector<Block> blocks;
};
// The convolution as a linear map of kernel_size inputs in a row, oldest first.
struct Project {
  ProjectStage spec;
  i64 index = 0;      // among the projections with a memory: its slot in the KvCache
  WeightView weight;  // (out, kernel_size · in)
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
  WeightView weight;  // (vocab_size, in)
};
using LoadedStage = std::variant<Embed, Blocks, Project, Fork, FinalNorm, Head>;

// Const after construction: any number of threads may run it, each with its own State.
struct Model {
  Plan plan;
  std::vector<LoadedStage> stages;  // one for one those of the plan
  i64 weight_bytes = 0;             // of all tensors as stored
  // What the stages point into: the source, null where nothing is used in place, and copies.
  std::shared_ptr<const WeightSource> weights;
  std::vector<Buffer> copies;
};

// Where matrices lie while the model runs: where their source has them, which takes no memory of
// its own; or copied into huge pages, which few systems give to files, and with which decoding is
// faster (f32 of 295 MB on AVX2, two cores: 89 tokens/s against 83).
enum class Residence { kMapped, kHugePages };

// kHugePages where twice the bytes of `weights` are available.
Residence choose_residence(const WeightSource& weights);

// Takes the weights of `plan` from `weights`. Error unless its tensors are exactly those of
// tensor_list(plan), of types that the kernels can run.
std::unique_ptr<const Model> make_model(Plan plan, std::shared_ptr<const WeightSource> weights,
                                        Residence residence = Residence::kMapped);

}  // namespace lathe::infer
