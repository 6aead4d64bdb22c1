// The structured linear nearest to a dense matrix W, in closed form, under a quadratic measure of
// what an error E = W − Ŵ costs:
//   J(E) = tr(G E A Eᵀ)
// with A (in, in) the second moments of the linear's input and G (out, out) those of the loss's
// gradient by its output, both per token. A = G = 1 gives the Frobenius norm (plain projection);
// G = 1 the mean squared error of the output; both the second-order change of the loss under KFAC's
// approximation of the curvature (Martens and Grosse, 2015): J/2 nats a token.
//
// With A = L_A L_Aᵀ and G = L_G L_Gᵀ, J = ‖L_Gᵀ E L_A‖². So one block of full width (low_rank) has
// its optimum in the truncated SVD of L_Gᵀ W L_A = P Σ Qᵀ: U = L_G⁻ᵀ P √Σ, V = √Σ Qᵀ L_A⁻¹. A grid
// of blocks (weights/projection.h) is approximated so block by block, each under its own parts of A
// and G: the optimum where these couple no blocks, as in the plain case. Else a descent goes on
// from there: with D = G E A, block (l, k) alone is best approximated at
//   X* = Y Z + G_ll⁻¹ D_lk A_kk⁻¹
// under G_ll and A_kk; no such step can make J larger.
#pragma once

#include <vector>

#include "model/linear_spec.h"
#include "train/torch.h"

namespace lathe::train {

// What errors cost: symmetric and positive definite, f64, on the dense matrix's device; undefined
// for the identity. See regularised().
struct ErrorMetric {
  at::Tensor inputs;     // A (in, in)
  at::Tensor gradients;  // G (out, out)
};

// (1 − share) C + share · mean(diag C) · 1 of second moments C (n, n), in f64 and exactly
// symmetric; moved further up along the diagonal as far as its Cholesky factor needs. 1 where C is
// zero.
at::Tensor regularised(const at::Tensor& moments, double share);

// J(error) of a difference of dense matrices (out, in).
double weighted_error(const at::Tensor& error, const ErrorMetric& metric);

// The closed forms of one matrix by one kind. The decompositions are made once and cut at any rank.
class Projection {
 public:
  // dense (out, in), any dtype; computed in double on its device. `spec`: of a two-factor form; of
  // its rank nothing is used here.
  Projection(const LinearSpec& spec, const at::Tensor& dense, ErrorMetric metric = {});

  // The factors (shapes and order of factors(spec), f32) of the same kind and number of blocks at
  // spec's rank, each block split evenly: Y √Σ, √Σ Z. `sweeps` of the descent over all blocks
  // follow where there are several and there is a metric. Ranks beyond min(in, out) of a block are
  // zero.
  std::vector<at::Tensor> factors_at(const LinearSpec& spec, int sweeps = 0) const;
  // J of what factors_at(spec) misses; of one block known from its singular values.
  double error_at(const LinearSpec& spec) const;

 private:
  struct Block {
    at::Tensor left, right;  // (rows, full) · (full, columns), the best part first
    at::Tensor squares;      // (full) what each part takes out of the block's own J
  };
  // All blocks, each cut at the rank that it has in spec.
  struct Cut {
    std::vector<Block> blocks;
    std::vector<i64> ranks;
  };
  Cut cut_at(const LinearSpec& spec) const;
  at::Tensor error_of(const Cut& cut) const;  // the dense matrix less its blocks, rows by group
  at::Tensor part(const at::Tensor& matrix, i64 group, i64 slice) const;
  Block decompose(const at::Tensor& block, i64 group, i64 slice) const;
  void descend(Cut& cut) const;

  i64 groups_, group_rows_, slices_, slice_columns_;
  // Rows by group: those of group l, s·L + l of the dense matrix, are [l · group_rows, …).
  at::Tensor dense_;
  ErrorMetric metric_;                      // likewise
  std::vector<at::Tensor> input_roots_;     // lower L with L Lᵀ = A_kk; empty for the identity
  std::vector<at::Tensor> gradient_roots_;  // of G_ll
  std::vector<Block> blocks_;               // group by group of a slice, slice by slice
};

// The factors of `spec` nearest to `dense`: Projection(spec, dense).factors_at(spec), and the dense
// matrix itself, as f32, for dense.
std::vector<at::Tensor> project_to(const LinearSpec& spec, const at::Tensor& dense);

}  // namespace lathe::train
