// Chooses the kernels; compiled for any x86-64.
#include "kernels/train/train_kernels.h"

#include "base/cpu_isa.h"
#include "base/error.h"
#include "kernels/row_named.h"

namespace lathe {

namespace {

struct Row {
  CpuIsa isa;
  const TrainKernels* f32;
  const TrainKernels* bf16;
};

constexpr Row kRows[] = {
#ifdef LATHE_X86
    {CpuIsa::kAvx2, &kTrainAvx2F32, &kTrainAvx2Bf16},
    {CpuIsa::kAvx512, &kTrainAvx512F32, &kTrainAvx512Bf16},
    {CpuIsa::kAvx512Bf16, &kTrainAvx512Bf16F32, &kTrainAvx512Bf16Bf16},
#endif
};

}  // namespace

const TrainKernels* train_kernels(DType storage) {
  static const Row* const row = [] {
    const CpuIsa active = active_isa();
    for (const Row& candidate : kRows) {
      if (candidate.isa == active) return &candidate;
    }
    return static_cast<const Row*>(nullptr);
  }();
  if (row == nullptr) return nullptr;
  if (storage == DType::kF32) return row->f32;
  return storage == DType::kBf16 ? row->bf16 : nullptr;
}

std::vector<const TrainKernels*> supported_train_kernels() {
  std::vector<const TrainKernels*> tables;
  for (const CpuIsa isa : supported_isas()) {
    for (const Row& row : kRows) {
      if (row.isa == isa) tables.insert(tables.end(), {row.f32, row.bf16});
    }
  }
  return tables;
}

const TrainActivation& train_activation(const TrainKernels& kernels, std::string_view name) {
  return row_named(kernels.activations, kernels.n_activations, name);
}

const TrainNorm& train_norm(const TrainKernels& kernels, std::string_view name) {
  return row_named(kernels.norms, kernels.n_norms, name);
}

}  // namespace lathe
