#include "train/nn/shuffle.h"

#include "train/nn/fused.h"
#include "train/nn/linear.h"

namespace lathe::train {

namespace {

constexpr i64 kGrain = 16;  // rows a thread at least

}  // namespace

at::Tensor shuffle_columns(const at::Tensor& x, i64 groups, at::Tensor* sums) {
  const i64 N = x.size(0), L = groups, C = x.size(1) / groups;
  const auto* kernels = fused_kernels(x);
  if (!kernels || !x.is_contiguous()) {
    if (sums) add_column_sum(*sums, x);
    return x.reshape({N, C, L}).permute({2, 0, 1}).contiguous();
  }
  const at::Tensor y = at::empty({L, N, C}, x.options());
  ShuffleColumns args{.N = N, .L = L, .C = C, .x = x.data_ptr(), .groups = y.data_ptr()};
  const auto run = [&](i64 begin, i64 end, float* partial) {
    ShuffleColumns part = args;
    part.sums = partial;
    kernels->shuffle_columns(part, begin, end);
  };
  if (sums) {
    sum_ranges(N, kGrain, C * L, *sums, run);
  } else {
    for_ranges(N, kGrain, [&](i64 begin, i64 end) { run(begin, end, nullptr); });
  }
  return y;
}

at::Tensor unshuffle_columns(const at::Tensor& x, const at::Tensor& bias) {
  const i64 L = x.size(0), N = x.size(1), C = x.size(2);
  // No view, also where one would do: autograd lets nobody write to a function's view.
  at::Tensor y = at::empty({N, C * L}, x.options());
  const auto* kernels = fused_kernels(x);
  if (!kernels || !x.is_contiguous()) {
    y.view({N, C, L}).copy_(x.permute({1, 2, 0}));
    return bias.defined() ? y.add_(bias) : y;
  }
  const UnshuffleColumns args{.N = N,
                              .L = L,
                              .C = C,
                              .groups = x.data_ptr(),
                              .bias = bias.defined() ? bias.data_ptr() : nullptr,
                              .y = y.data_ptr()};
  for_ranges(N, kGrain, [&](i64 begin, i64 end) { kernels->unshuffle_columns(args, begin, end); });
  return y;
}

}  // namespace lathe::train
