#include "model/linear_spec.h"

#include <algorithm>

namespace lathe {

namespace {

struct KindRow {
  LinearKind kind;
  bool takes_rank, takes_blocks;
  LinearForm form;
  // Null but for kTwoFactor. Called with a spec whose rank and n_blocks are positive where they are
  // taken.
  TwoFactor (*shapes)(const LinearSpec&);
};

// arXiv 2406.16450 §2: y = U (V x), U (out, r), V (r, in).
TwoFactor low_rank(const LinearSpec& s) { return {1, s.rank, s.in, 1, s.out, s.rank}; }

// y = U · blockdiag(V_1 … V_b) x, each V_i (r/b, in/b).
TwoFactor block_dense(const LinearSpec& s) {
  const i64 b = s.n_blocks;
  return {b, s.rank / b, s.in / b, 1, s.out, s.rank};
}

// Two block-diagonal factors with a shuffle after each; inner width min(in, out).
TwoFactor block_shuffle(const LinearSpec& s) {
  const i64 b = s.n_blocks, inner = std::min(s.in, s.out);
  return {b, inner / b, s.in / b, b, s.out / b, inner / b};
}

constexpr KindRow kKinds[] = {
    {LinearKind::kDense, false, false, LinearForm::kDense, nullptr},
    {LinearKind::kLowRank, true, false, LinearForm::kTwoFactor, low_rank},
    {LinearKind::kBlockDense, true, true, LinearForm::kTwoFactor, block_dense},
    {LinearKind::kBlockShuffle, false, true, LinearForm::kTwoFactor, block_shuffle},
};
static_assert(one_row_each(kKinds, &KindRow::kind));

const KindRow& row(LinearKind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::vector<i64> factor_shape(i64 blocks, i64 rows, i64 cols) {
  if (blocks == 1) return {rows, cols};
  return {blocks, rows, cols};
}

}  // namespace

void LinearOption::visit_fields(FieldVisitor& v) {
  constexpr KeyMeaning structure{.role = KeyRole::kStructure};
  v.field("kind", kind, "how the matrix is parametrised", structure);
  if (row(kind).takes_rank) v.field("rank", rank, "inner width", structure);
  if (row(kind).takes_blocks) v.field("n_blocks", n_blocks, "blocks on the diagonal", structure);
}

bool takes_rank(LinearKind kind) { return row(kind).takes_rank; }
bool takes_blocks(LinearKind kind) { return row(kind).takes_blocks; }

LinearForm form_of(const LinearSpec& spec) { return row(spec.kind).form; }

std::optional<TwoFactor> two_factor(const LinearSpec& spec) {
  const KindRow& kind = row(spec.kind);
  if (!kind.shapes) return std::nullopt;
  return kind.shapes(spec);
}

void check_linear(const LinearSpec& spec, const std::string& where) {
  const KindRow& kind = row(spec.kind);
  if (spec.in <= 0 || spec.out <= 0) {
    fail("[{}] {} from {} to {}: both widths must be positive", where, name_of(spec.kind), spec.in,
         spec.out);
  }
  if (kind.takes_blocks) {
    if (spec.n_blocks <= 0) fail("[{}] {} needs n_blocks ≥ 1", where, name_of(spec.kind));
    if (spec.in % spec.n_blocks || (!kind.takes_rank && spec.out % spec.n_blocks)) {
      fail("[{}] n_blocks {} does not divide the widths {} → {}", where, spec.n_blocks, spec.in,
           spec.out);
    }
  }
  if (kind.takes_rank) {
    const i64 full = std::min(spec.in, spec.out);
    if (spec.rank <= 0 || spec.rank > full) {
      fail("[{}] rank {} is outside 1 … {}, the smaller width of {} → {}", where, spec.rank, full,
           spec.in, spec.out);
    }
    if (kind.takes_blocks && spec.rank % spec.n_blocks) {
      fail("[{}] n_blocks {} does not divide rank {}", where, spec.n_blocks, spec.rank);
    }
  }
}

std::vector<Factor> factors(const LinearSpec& spec) {
  switch (form_of(spec)) {
    case LinearForm::kDense:
      break;
    case LinearForm::kTwoFactor: {
      const TwoFactor f = *two_factor(spec);
      return {{kFactorV, factor_shape(f.v_blocks, f.v_out, f.v_in)},
              {kFactorU, factor_shape(f.u_blocks, f.u_out, f.u_in)}};
    }
  }
  return {{kDenseWeight, {spec.out, spec.in}}};
}

i64 linear_weights(const LinearSpec& spec) {
  i64 weights = 0;
  for (const Factor& factor : factors(spec)) {
    i64 n = 1;
    for (const i64 d : factor.shape) n = checked_product(n, d, "a linear's weights");
    weights += n;
  }
  return weights;
}

i64 linear_macs(const LinearSpec& spec) { return linear_weights(spec); }

LinearOption option_of(const LinearSpec& linear) {
  return {linear.kind, linear.rank, linear.n_blocks};
}

LinearSpec at_widths(const LinearOption& option, const LinearSpec& of) {
  return {option.kind, of.in, of.out, option.rank, option.n_blocks, of.bias};
}

std::string describe_linear(const LinearSpec& spec) {
  std::string text = format("{} {} → {}", name_of(spec.kind), spec.in, spec.out);
  if (row(spec.kind).takes_rank) text += format(" rank {}", spec.rank);
  if (row(spec.kind).takes_blocks) text += format(" blocks {}", spec.n_blocks);
  return text;
}

}  // namespace lathe
