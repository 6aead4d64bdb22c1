// Where the fused CPU kernels (kernels/train) take the place of LibTorch's operations, and how work
// is spread over LibTorch's threads.
#pragma once

#include "base/integer.h"
#include "kernels/train/train_kernels.h"
#include "train/torch.h"

namespace lathe::train {

// The kernels for the tensor's dtype, if it is f32 or bf16 on a CPU whose class has them; else
// null, and the caller uses LibTorch's own operations, which are the reference.
const TrainKernels* fused_kernels(const at::Tensor& t);

// Whether this process's class of CPU multiplies bf16 itself.
bool multiplies_bf16();

inline float* f32_data(const at::Tensor& t) { return t.data_ptr<float>(); }

// f(task) for every task in [0, n), each on the next free thread: a core that is busy with other
// work does fewer. One after the other where there is one thread or one task.
template <class F>
void for_each_task(i64 n, const F& f) {
  const int threads = static_cast<int>(std::min<i64>(n, at::get_num_threads()));
  if (threads <= 1 || at::in_parallel_region()) {
    for (i64 i = 0; i < n; ++i) f(i);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (i64 i = 0; i < n; ++i) f(i);
}

// The number of ranges that [0, n) is cut into: some a thread, of at least `grain` each.
inline i64 count_ranges(i64 n, i64 grain) {
  constexpr i64 kRangesPerThread = 4;
  const int threads = at::get_num_threads();
  return threads == 1 ? 1 : std::clamp<i64>(n / grain, 1, kRangesPerThread * threads);
}

// f(begin, end) over [0, n) in ranges of at least `grain` on all threads.
template <class F>
void for_ranges(i64 n, i64 grain, const F& f) {
  if (n <= 0) return;
  const i64 ranges = count_ranges(n, grain);
  for_each_task(ranges, [&](i64 i) { f(n * i / ranges, n * (i + 1) / ranges); });
}

// The same for sums into a row of `width` f32: f(begin, end, partial), each range with a row of its
// own, added to `sum` (width) afterwards in their order: the same bits on any number of threads.
template <class F>
void sum_ranges(i64 n, i64 grain, i64 width, const at::Tensor& sum, const F& f) {
  const i64 ranges = std::clamp<i64>(n / grain, 1, 8);
  const at::Tensor partial = at::zeros({ranges, width}, sum.options());
  for_each_task(ranges, [&](i64 i) {
    f(n * i / ranges, n * (i + 1) / ranges, f32_data(partial) + i * width);
  });
  for (i64 i = 0; i < ranges; ++i) sum.add_(partial[i]);
}

// grad (f32) += scale · x, of the same shape.
void add_to(at::Tensor& grad, const at::Tensor& x, double scale = 1);
// grad (M) += Σ_n a[n], with a (N, M).
void add_column_sum(at::Tensor& grad, const at::Tensor& a);

}  // namespace lathe::train
