// Where the fused CPU kernels (kernels/train) take the place of LibTorch's operations, and how
// their ranges are spread over LibTorch's threads.
#pragma once

#include "kernels/train/train_kernels.h"
#include "train/torch.h"

namespace lathe::train {

// The kernels, if `t` is bf16 on a CPU that has them; else null, and the caller uses LibTorch's own
// operations, which are the reference. LATHE_CPU_ISA set to another ISA than avx512 turns them off.
const TrainKernels* fused_kernels(const at::Tensor& t);

inline Bf16* bf16_data(const at::Tensor& t) { return static_cast<Bf16*>(t.data_ptr()); }
inline float* f32_data(const at::Tensor& t) { return t.data_ptr<float>(); }

// f(begin, end) over [0, n) on all threads; a thread gets one range of at least `grain`.
template <class F>
void for_ranges(int64_t n, int64_t grain, const F& f) {
  at::parallel_for(0, n, grain, [&](int64_t begin, int64_t end) { f(begin, end); });
}

// The same for sums into a row of `width` f32: f(begin, end, partial), each thread with a row of
// its own, added to `sum` (width) afterwards in a fixed order.
template <class F>
void sum_ranges(int64_t n, int64_t grain, int64_t width, const at::Tensor& sum, const F& f) {
  const at::Tensor partial = at::zeros({at::get_num_threads(), width}, sum.options());
  at::parallel_for(0, n, grain, [&](int64_t begin, int64_t end) {
    f(begin, end, f32_data(partial) + at::get_thread_num() * width);
  });
  sum.add_(partial.sum(0));
}

}  // namespace lathe::train
