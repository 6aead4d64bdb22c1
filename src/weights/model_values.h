// A model's weights as f32, tensor by tensor, whatever holds them: what is imported, exported and
// rewritten goes through here.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model/plan.h"
#include "model/tensor_list.h"
#include "weights/weight_source.h"

namespace lathe {

struct ModelValues {
  Plan plan;
  // The values of a tensor of tensor_list(plan), row-major.
  std::function<std::vector<float>(const TensorInfo&)> read;
  // As which the matrices can be stored without loss: bf16 where they come as bf16, else f32.
  DType natural_type = DType::kF32;
};

// Of a model directory's tensors. Error unless they are exactly the plan's.
ModelValues values_of(const Plan& plan, std::shared_ptr<const WeightSource> weights);

// Every linear as the dense matrix that it stands for.
ModelValues merged(const ModelValues& model);

// The path with the largest weight of a model of parallel paths, alone, as a gpt of its depth. Its
// entry y = W x + b is folded into the embeddings: W·token, and W·position + b, or b into the
// tokens where there are no positions. The head stays as it was, and so is no longer tied. Error
// where the model has no paths.
ModelValues best_path(const ModelValues& model);

}  // namespace lathe
