// Fused CPU kernels of a training step: what is left of it beside the matrix products of the
// linears. Forward and backward of attention, loss, norms and activations, shuffles, sums and the
// optimizer's update, with f32 arithmetic. No threads inside and no LibTorch: each function works
// on a range [begin, end) of independent units, so that the caller spreads it over a thread pool,
// and its result for a unit does not depend on how the range is split.
//
// A table of them is for one class of CPU and one storage type S of activations, f32 or bf16: what
// is void* below points to elements of S.
//
// Matrices are row-major; pointers need only the alignment of their element type; buffers do not
// overlap unless said so. Shape letters: B batch, T time, H heads, K key/value heads, E head dim,
// D model, F ffn, V vocabulary, n rows.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/integer.h"

namespace lathe {

// Causal self-attention, query head h reading key/value head h / (H / K). A unit is one key/value
// head of one sequence with its H / K query heads: units are b · K + k, B · K of them.
struct AttentionShape {
  i64 B = 0, T = 0, H = 0, K = 0;
  i64 E = 0;                   // even, at most 256; fastest where E % 32 == 0
  float scale = 0;             // of the scores, E^-0.5; > 0
  const float* cos = nullptr;  // (T, E/2) rotary tables, element i paired with i + E/2:
  const float* sin = nullptr;  // (a, b) → (a·cos − b·sin, b·cos + a·sin); null: no rotation
};

struct AttentionForward {
  AttentionShape shape;
  const void* qkv = nullptr;  // (B, T, (H + 2K)·E), rows [q heads | k heads | v heads], unrotated
  void* out = nullptr;        // (B, T, H·E)
  float* lse = nullptr;       // (B, H, T) natural log of Σ exp(scale · q·k), for the backward
};

struct AttentionBackward {
  AttentionShape shape;
  const void* qkv = nullptr;   // (B, T, (H + 2K)·E) as given to the forward
  const void* out = nullptr;   // (B, T, H·E) from the forward
  const float* lse = nullptr;  // (B, H, T) from the forward
  const void* dout = nullptr;  // (B, T, H·E)
  void* dqkv = nullptr;        // (B, T, (H + 2K)·E), written; the units' parts of it are disjoint
};

// Rows of logits; each becomes its gradient.
struct CrossEntropy {
  i64 V = 0;
  i64 stride = 0;                // elements from row to row of logits, ≥ V
  void* logits = nullptr;        // (n, V) in: logits; out: (softmax − onehot) · scale
  const i64* targets = nullptr;  // (n) each < V; negative: ignored, loss and gradient are 0
  float* loss = nullptr;         // (n) log Σ exp(logits) − logits[target]
  float scale = 1;               // usually 1 / number of counted rows
};

// y = (x − mean) · rstd · w + b, or without mean and b for an RMS norm, of a residual stream.
struct NormForward {
  i64 D = 0;
  float eps = 1e-5f;
  const float* x = nullptr;     // (n, D)
  const void* delta = nullptr;  // (n, D) or null; added to x before anything else
  float* x_out = nullptr;       // (n, D) x + delta; may be x; null only without delta
  const float* w = nullptr;     // (D)
  const float* b = nullptr;     // (D) or null
  void* y = nullptr;            // (n, D)
  float* mean = nullptr;        // (n) written; unused for RMS, may be null there
  float* rstd = nullptr;        // (n) written
};

struct NormBackward {
  i64 D = 0;
  const void* dy = nullptr;     // (n, D)
  const float* x = nullptr;     // (n, D) the normalised values, delta included
  const float* mean = nullptr;  // (n) from the forward; unused for RMS
  const float* rstd = nullptr;  // (n) from the forward
  const float* w = nullptr;     // (D)
  const float* dres = nullptr;  // (n, D) gradient arriving on the residual path, or null
  float* dx = nullptr;          // (n, D) dres + gradient through the norm; may be dres
  void* ddelta = nullptr;       // (n, D) dx in S, or null
  float* dw = nullptr;          // (D) added to; one buffer per concurrent range
  float* db = nullptr;          // (D) added to, or null; one buffer per concurrent range
};

// The shuffles between the factors of a structured linear: column c·L + l of a row is column c of
// that row in group l. A unit is a row.
struct ShuffleColumns {
  i64 N = 0, L = 0, C = 0;  // rows, groups, columns a group
  const void* x = nullptr;  // (N, C·L)
  void* groups = nullptr;   // (L, N, C)
  float* sums = nullptr;    // (C·L) the columns' sums, added to, or null; one buffer per
                            // concurrent range
};
struct UnshuffleColumns {
  i64 N = 0, L = 0, C = 0;
  const void* groups = nullptr;  // (L, N, C)
  const void* bias = nullptr;    // (C·L) or null
  void* y = nullptr;             // (N, C·L) the groups' columns in turn, plus bias
};

// One update of AdamW: with g = grad · grad_scale,
//   m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,
//   w ← (1 − lr·weight_decay)·w − lr · (m / correction1) / (√(v / correction2) + eps).
struct AdamW {
  float* value = nullptr;       // (n) w
  const float* grad = nullptr;  // (n)
  float* exp_avg = nullptr;     // (n) m
  float* exp_avg_sq = nullptr;  // (n) v
  uint16_t* rounded = nullptr;  // (n) bf16(w), written, or null
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  float correction1 = 1, correction2 = 1;  // 1 − β^t after t updates, this one included
  float grad_scale = 1;
};

// C (m, n) = beta · C + alpha · A (m, k) · B (k, n), or with the bias in the place of beta · C, for
// k ≤ kProductDepth; longer ones are sums of such. A and B are of S, in strides of which one is 1.
inline constexpr i64 kProductDepth = 384;
struct ProductPanels {  // a unit is a panel: TrainKernels::product_panel columns of B
  i64 k = 0, n = 0;
  const void* b = nullptr;
  i64 row_stride = 0, column_stride = 0;
  float* panels = nullptr;  // (⌈n / product_panel⌉, k, product_panel), zeros beyond n
};
struct ProductRows {
  i64 k = 0, n = 0;
  const void* a = nullptr;
  i64 a_row_stride = 0, a_column_stride = 0;
  const float* panels = nullptr;  // as filled from ProductPanels
  float alpha = 1, beta = 0;      // beta 0: C is not read
  const float* bias = nullptr;    // (n) or null
  float* c = nullptr;             // (m, n)
  i64 c_row_stride = 0;
};

// A feed-forward layer's nonlinearity by its name in specs. Rows [begin, end) of y and dy (n, F),
// and of x and dx, (n, F) or, for a gated one, (n, 2F) = [gate | value]; y may be x and dx may be
// dy where it is not gated. dx = dy · dy/dx.
struct TrainActivation {
  const char* name;
  void (*forward)(const void* x, void* y, i64 F, i64 begin, i64 end);
  void (*backward)(const void* x, const void* dy, void* dx, i64 F, i64 begin, i64 end);
};

// A norm by its name in specs. Rows [begin, end); all pointers of the arguments are to row 0.
struct TrainNorm {
  const char* name;
  void (*forward)(const NormForward&, i64 begin, i64 end);
  void (*backward)(const NormBackward&, i64 begin, i64 end);
};

struct TrainKernels {
  const char* isa;  // "avx2", "avx512" or "avx512_bf16"
  DType storage;    // kF32 or kBf16

  // The scratch of one call, whatever its range; uninitialised, of any alignment. These two check
  // the shape, the others trust it.
  i64 (*attention_forward_scratch_bytes)(const AttentionShape&);
  i64 (*attention_backward_scratch_bytes)(const AttentionShape&);
  // Units [begin, end) of B · K. Deterministic.
  void (*attention_forward)(const AttentionForward&, i64 begin, i64 end, void* scratch);
  void (*attention_backward)(const AttentionBackward&, i64 begin, i64 end, void* scratch);

  i64 product_panel;          // columns in a panel
  i64 product_block;          // rows of A in a block: how many to take at a time, or fewer
  i64 product_scratch_bytes;  // of one call of multiply_rows
  void (*pack_panels)(const ProductPanels&, i64 begin, i64 end);
  // Rows [begin, end) of C in the columns of panels [first_panel, last_panel).
  void (*multiply_rows)(const ProductRows&, i64 begin, i64 end, i64 first_panel, i64 last_panel,
                        void* scratch);

  // Rows [begin, end); all pointers of the arguments are to row 0.
  void (*cross_entropy)(const CrossEntropy&, i64 begin, i64 end);

  const TrainActivation* activations;  // by name; see train_activation()
  i64 n_activations;
  const TrainNorm* norms;  // by name; see train_norm()
  i64 n_norms;

  // Elements [begin, end).
  void (*adamw)(const AdamW&, i64 begin, i64 end);

  // Elements [begin, end): y = bf16(x), rounded to nearest even; y += scale · x.
  void (*cast_to_bf16)(const float* x, uint16_t* y, i64 begin, i64 end);
  void (*add_scaled)(const void* x, float scale, float* y, i64 begin, i64 end);
  // sums (C) += the sum of rows [begin, end) of x (n, C); one buffer per concurrent range.
  void (*add_column_sums)(const void* x, i64 C, float* sums, i64 begin, i64 end);

  // Rows [begin, end); all pointers of the arguments are to row 0. Fastest for 2, 4 and 8 groups.
  void (*shuffle_columns)(const ShuffleColumns&, i64 begin, i64 end);
  void (*unshuffle_columns)(const UnshuffleColumns&, i64 begin, i64 end);
};

// The nonlinearity of that name. That every name of a spec has one in every table is a test's to
// see.
const TrainNorm& train_norm(const TrainKernels& kernels, std::string_view name);
const TrainActivation& train_activation(const TrainKernels& kernels, std::string_view name);

// The kernels of this process's class (base/cpu_isa.h) for a storage type, or null where the class
// has none (scalar) or the type is neither f32 nor bf16: there the caller uses other operations.
// The answer never changes; safe from any thread.
const TrainKernels* train_kernels(DType storage);

// Every table this CPU can run, whatever LATHE_CPU_ISA says; for tests.
std::vector<const TrainKernels*> supported_train_kernels();

// The tables, filled by isa_*.cpp. Running one on a CPU that lacks the instructions is undefined.
extern const TrainKernels kTrainAvx2F32, kTrainAvx2Bf16;
extern const TrainKernels kTrainAvx512F32, kTrainAvx512Bf16;
extern const TrainKernels kTrainAvx512Bf16F32, kTrainAvx512Bf16Bf16;

}  // namespace lathe
