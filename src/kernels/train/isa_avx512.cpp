#include <immintrin.h>

#include "kernels/train/train_kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx512.inc"
//
#include "kernels/train/lanes_avx512.inc"
#include "kernels/train/words.inc"

//
#include "kernels/train/kernels.inc"
}  // namespace

extern const TrainKernels kTrainAvx512F32 = make_table<F32Words, float>("avx512", DType::kF32);
extern const TrainKernels kTrainAvx512Bf16 = make_table<F32Words, uint16_t>("avx512", DType::kBf16);

}  // namespace lathe
