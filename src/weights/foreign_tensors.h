// Where the tensors of a family's files lie in ours: the one description that import reads and
// export writes by.
#pragma once

#include <string>
#include <vector>

#include "model/tensor_list.h"
#include "weights/family.h"

namespace lathe {

enum class Container { kHuggingFace, kGguf };

// A tensor of theirs and the rows of ours that it holds.
struct ForeignTensor {
  std::string name;  // of theirs
  TensorInfo ours;
  bool present = true;    // false: the model has no such tensor, and theirs is zeros
  std::vector<i64> rows;  // the row of ours that each row of theirs is; of a vector, the element
  i64 columns = 1;
  bool is_matrix = false;
  bool transposed = false;  // theirs is (columns, rows)
  std::vector<i64> shape() const;
};

// All tensors in files of that family; the plan is one that it can express.
std::vector<ForeignTensor> foreign_tensors(const FamilyRow& row, Container container,
                                           const Plan& plan);

}  // namespace lathe
