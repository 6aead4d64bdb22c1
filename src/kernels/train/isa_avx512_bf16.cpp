#include <immintrin.h>

#include "kernels/train/train_kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx512.inc"
//
#include "kernels/train/lanes_avx512.inc"
#include "kernels/train/words.inc"
#include "kernels/train/words_bf16.inc"
//
#include "kernels/train/kernels.inc"
}  // namespace

extern const TrainKernels kTrainAvx512Bf16F32 =
    make_table<F32Words, float>("avx512_bf16", DType::kF32);
extern const TrainKernels kTrainAvx512Bf16Bf16 =
    make_table<Bf16Words, uint16_t>("avx512_bf16", DType::kBf16);

}  // namespace lathe
