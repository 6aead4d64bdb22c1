// A model in another program's files as ours.
#pragma once

#include <memory>

#include "weights/foreign_tensors.h"
#include "weights/model_values.h"

namespace lathe {

// The model that `plan` says from the tensors of a file of that family. Error that names the file
// and the tensor where one is missing, has another shape or a type that is no weight, and where one
// is there that the model has no use for.
ModelValues foreign_values(const FamilyRow& family, Container container, const Plan& plan,
                           std::shared_ptr<const WeightSource> source);

// The reverse: a tensor of theirs, row-major, from the model's; zeros where the model has none.
std::vector<float> to_foreign(const ForeignTensor& tensor, const ModelValues& model);

}  // namespace lathe
