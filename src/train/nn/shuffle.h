// The shuffles between the two factors of a structured linear (model/linear_spec.h): the columns of
// a row dealt in turn to groups, and collected from them.
#pragma once

#include "base/integer.h"
#include "train/torch.h"

namespace lathe::train {

// x (N, C·groups) → (groups, N, C): group l has every groups-th column from l on. Adds the columns'
// sums over N to `sums` (C·groups, f32), unless that is null.
at::Tensor shuffle_columns(const at::Tensor& x, i64 groups, at::Tensor* sums = nullptr);

// Undoes it: (groups, N, C) → (N, C·groups), plus `bias` (C·groups) where that is defined.
at::Tensor unshuffle_columns(const at::Tensor& x, const at::Tensor& bias = {});

}  // namespace lathe::train
