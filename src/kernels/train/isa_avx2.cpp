#include <immintrin.h>

#include "kernels/train/train_kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx2.inc"
//
#include "kernels/train/lanes_avx2.inc"
#include "kernels/train/words.inc"

//
#include "kernels/train/kernels.inc"
}  // namespace

extern const TrainKernels kTrainAvx2F32 = make_table<F32Words, float>("avx2", DType::kF32);
extern const TrainKernels kTrainAvx2Bf16 = make_table<F32Words, uint16_t>("avx2", DType::kBf16);

}  // namespace lathe
