// The leaf of every plan: one linear map y = W x + b, dense or as a product of two block-diagonal
// factors, and the table of kinds. Nothing outside this file and its .cpp knows a kind's name.
//
// Every structured kind is one family (arXiv 2406.16450, §2): with the input cut into `v_blocks`
// slices, a first factor v works on each slice, its outputs are dealt out in turn to `u_blocks`
// groups, and a second factor u works on each group; the groups' outputs are interleaved:
//   z[k·q + j]  = Σ_p v[k][j][p] · x[k·P + p]            v: (v_blocks, v_out, v_in)
//   y[s·L + l]  = Σ_r u[l][s][r] · z[r·L + l] + b        u: (u_blocks, u_out, u_in),  L = u_blocks
// low_rank is 1 × 1 blocks, block_dense b × 1, block_shuffle b × b (a Monarch matrix). So one
// product, one backward, one merge and one projection serve them all.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace lathe {

enum class LinearKind { kDense, kLowRank, kBlockDense, kBlockShuffle };
constexpr auto names_of(LinearKind) {
  return enum_names<LinearKind>("dense", "low_rank", "block_dense", "block_shuffle");
}

// The linears of a block (model/plan.h), by their names within it.
inline constexpr std::string_view kBlockLinearParts[] = {"attention.qkv", "attention.out", "ffn.up",
                                                         "ffn.down"};

// What a model spec says of a linear, before its place in the model fixes its shape.
struct LinearOption {
  LinearKind kind = LinearKind::kDense;
  i64 rank = 0;      // inner width z, for kinds that take one
  i64 n_blocks = 0;  // for kinds that take one
  void visit_fields(FieldVisitor& v);
  bool operator==(const LinearOption&) const = default;
};

struct LinearSpec {
  LinearKind kind = LinearKind::kDense;
  i64 in = 0, out = 0;
  i64 rank = 0, n_blocks = 0;
  bool bias = false;
  bool operator==(const LinearSpec&) const = default;
};

// Shapes of the two factors, see the head of this file.
// v_blocks·v_in = in, v_blocks·v_out = u_blocks·u_in = inner width, u_blocks·u_out = out.
struct TwoFactor {
  i64 v_blocks, v_out, v_in;
  i64 u_blocks, u_out, u_in;
  i64 inner() const { return v_blocks * v_out; }
};

// What sizes a kind has beside the widths.
bool takes_rank(LinearKind kind);
bool takes_blocks(LinearKind kind);

// How a kind computes: what engines switch on, so that a kind outside these has to say how it does.
enum class LinearForm { kDense, kTwoFactor };
LinearForm form_of(const LinearSpec& spec);

// The factors' shapes; nothing for other forms. The spec is valid (see check_linear).
std::optional<TwoFactor> two_factor(const LinearSpec& spec);

// Error that names `where` unless kind, rank and n_blocks fit in and out: positive, dividing, and
// a rank no larger than min(in, out).
void check_linear(const LinearSpec& spec, const std::string& where);

// Names of a linear's weights within it: of the dense matrix, and of the two factors.
inline constexpr const char* kDenseWeight = "weight";
inline constexpr const char* kFactorV = "v";
inline constexpr const char* kFactorU = "u";

// One weight tensor of a linear: name within it and row-major shape.
struct Factor {
  std::string_view name;
  std::vector<i64> shape;
};
// "weight" (out, in) for dense; "v" (v_blocks, v_out, v_in), then "u" (u_blocks, u_out, u_in), with
// the block dimension left out where there is one block.
std::vector<Factor> factors(const LinearSpec& spec);

i64 linear_weights(const LinearSpec& spec);  // parameters without the bias
i64 linear_macs(const LinearSpec& spec);     // multiply-adds per input vector, without the bias

// The kind and its sizes, apart from the widths; the same at widths of its own.
LinearOption option_of(const LinearSpec& linear);
LinearSpec at_widths(const LinearOption& option, const LinearSpec& of);

// One line for people: "low_rank 768 → 3072 rank 192".
std::string describe_linear(const LinearSpec& spec);

}  // namespace lathe
