#include "train/nn/projection.h"

#include "weights/projection.h"

namespace lathe::train {

namespace {

struct SingularParts {
  at::Tensor a, b;     // (m, full), (full, n)
  at::Tensor squares;  // (full) of the singular values
};

// a·b = block (m, n) ordered so that any first part of them is its best approximation of that rank,
// split evenly. Through the eigenvectors of the smaller Gram matrix, which is many times faster
// than an SVD; double keeps singular values down to 1e-7 of the largest.
SingularParts singular_parts(const at::Tensor& block) {
  if (block.size(0) < block.size(1)) {
    const SingularParts parts = singular_parts(block.t());
    return {parts.b.t(), parts.a.t(), parts.squares};
  }
  auto [values, vectors] = at::linalg_eigh(at::mm(block.t(), block));  // ascending
  const at::Tensor sigma = values.flip(0).clamp_min(0).sqrt();
  const at::Tensor all = vectors.flip(1);
  // Directions that are not there get weight 0, not 0/0.
  const at::Tensor present = sigma > sigma.max() * 1e-9;
  const at::Tensor root = at::where(present, sigma, at::ones_like(sigma)).sqrt();
  at::Tensor a = at::mm(block, all) / root;
  a = at::where(present, a, at::zeros_like(a));
  return {a, (all * root).t(), sigma.square()};
}

// The first `rank` columns of a (m, full), with zeros behind the last.
at::Tensor columns(const at::Tensor& a, i64 rank) {
  const i64 there = std::min(rank, a.size(1));
  const at::Tensor kept = a.narrow(1, 0, there);
  if (there == rank) return kept;
  return at::cat({kept, at::zeros({a.size(0), rank - there}, a.options())}, 1);
}

at::Tensor lower_root(const at::Tensor& symmetric) {
  const auto [root, info] = at::linalg_cholesky_ex(symmetric);
  LATHE_CHECK(info.item<int>() == 0);  // see regularised()
  return root;
}

// A⁻¹ x with A = L Lᵀ.
at::Tensor solve(const at::Tensor& lower, const at::Tensor& x) {
  const at::Tensor half = at::linalg_solve_triangular(lower, x, /*upper=*/false);
  return at::linalg_solve_triangular(lower.t(), half, /*upper=*/true);
}

}  // namespace

at::Tensor regularised(const at::Tensor& moments, double share) {
  const i64 n = moments.size(0);
  const at::Tensor wide = moments.to(at::kDouble);
  const at::Tensor symmetric = (wide + wide.t()) / 2;
  const double mean = symmetric.diagonal().mean().item<double>();
  const at::Tensor one = at::eye(n, symmetric.options());
  if (mean <= 0) return one;
  at::Tensor result = symmetric * (1 - share) + one * (share * mean);
  for (double shift = 1e-9 * mean;; shift *= 10) {
    const auto [root, info] = at::linalg_cholesky_ex(result);
    // A pivot of 1e-12 is a factor too, and its inverse noise.
    const bool good =
        info.item<int>() == 0 && root.diagonal().square().min().item<double>() > 1e-10 * mean;
    if (good) return result;
    LATHE_CHECK(shift < 1e3 * mean);  // moments are positive semi-definite but for rounding
    result = result + one * shift;
  }
}

double weighted_error(const at::Tensor& error, const ErrorMetric& metric) {
  const at::Tensor e = error.to(at::kDouble);
  const at::Tensor left = metric.gradients.defined() ? at::mm(metric.gradients, e) : e;
  const at::Tensor right = metric.inputs.defined() ? at::mm(e, metric.inputs) : e;
  return (left * right).sum().item<double>();
}

Projection::Projection(const LinearSpec& spec, const at::Tensor& dense, ErrorMetric metric)
    : metric_(std::move(metric)) {
  LATHE_CHECK(dense.size(0) == spec.out && dense.size(1) == spec.in);
  LATHE_CHECK(form_of(spec) == LinearForm::kTwoFactor);
  const TwoFactor f = *two_factor(spec);
  groups_ = f.u_blocks;
  group_rows_ = f.u_out;
  slices_ = f.v_blocks;
  slice_columns_ = f.v_in;
  const auto by_group = [&](const at::Tensor& rows) {  // (out, n)
    return rows.view({group_rows_, groups_, rows.size(1)})
        .transpose(0, 1)
        .reshape({spec.out, rows.size(1)});
  };
  dense_ = by_group(dense.to(at::kDouble).contiguous());
  if (metric_.gradients.defined()) {
    metric_.gradients = by_group(by_group(metric_.gradients).t().contiguous());
    for (i64 l = 0; l < groups_; ++l) {
      const at::Tensor rows = metric_.gradients.narrow(0, l * group_rows_, group_rows_);
      gradient_roots_.push_back(lower_root(rows.narrow(1, l * group_rows_, group_rows_)));
    }
  }
  if (metric_.inputs.defined()) {
    for (i64 k = 0; k < slices_; ++k) {
      const at::Tensor rows = metric_.inputs.narrow(0, k * slice_columns_, slice_columns_);
      input_roots_.push_back(lower_root(rows.narrow(1, k * slice_columns_, slice_columns_)));
    }
  }
  for (i64 k = 0; k < slices_; ++k) {
    for (i64 l = 0; l < groups_; ++l) blocks_.push_back(decompose(part(dense_, l, k), l, k));
  }
}

at::Tensor Projection::part(const at::Tensor& matrix, i64 group, i64 slice) const {
  return matrix.narrow(0, group * group_rows_, group_rows_)
      .narrow(1, slice * slice_columns_, slice_columns_);
}

Projection::Block Projection::decompose(const at::Tensor& block, i64 group, i64 slice) const {
  const at::Tensor* g =
      gradient_roots_.empty() ? nullptr : &gradient_roots_[static_cast<size_t>(group)];
  const at::Tensor* a = input_roots_.empty() ? nullptr : &input_roots_[static_cast<size_t>(slice)];
  at::Tensor whitened = block;
  if (g) whitened = at::mm(g->t(), whitened);
  if (a) whitened = at::mm(whitened, *a);
  auto [left, right, squares] = singular_parts(whitened.contiguous());
  if (g) left = at::linalg_solve_triangular(g->t(), left, /*upper=*/true);
  if (a) right = at::linalg_solve_triangular(*a, right, /*upper=*/false, /*left=*/false);
  return {left, right, squares};
}

Projection::Cut Projection::cut_at(const LinearSpec& spec) const {
  const TwoFactor f = *two_factor(spec);
  LATHE_CHECK(f.u_blocks == groups_ && f.v_blocks == slices_ && f.u_out == group_rows_ &&
              f.v_in == slice_columns_);
  Cut cut{std::vector<Block>(blocks_.size()), std::vector<i64>(blocks_.size(), 0)};
  for (const ProjectionBlock& place : projection_blocks(f)) {
    const auto i = static_cast<size_t>(place.slice * groups_ + place.group);
    const auto rank = static_cast<i64>(place.v_rows.size());
    cut.ranks[i] = rank;
    cut.blocks[i] = {columns(blocks_[i].left, rank), columns(blocks_[i].right.t(), rank).t(), {}};
  }
  return cut;
}

at::Tensor Projection::error_of(const Cut& cut) const {
  at::Tensor error = dense_.clone();
  for (size_t i = 0; i < cut.blocks.size(); ++i) {
    if (cut.ranks[i] == 0) continue;
    const i64 k = static_cast<i64>(i) / groups_, l = static_cast<i64>(i) % groups_;
    part(error, l, k).sub_(at::mm(cut.blocks[i].left, cut.blocks[i].right));
  }
  return error;
}

double Projection::error_at(const LinearSpec& spec) const {
  const Cut cut = cut_at(spec);
  if (blocks_.size() > 1) return weighted_error(error_of(cut), metric_);
  const at::Tensor& squares = blocks_[0].squares;
  const i64 kept = std::min(cut.ranks[0], squares.size(0));
  return squares.narrow(0, kept, squares.size(0) - kept).sum().item<double>();
}

// Over D = G E A; with one group over G⁻¹ D = E A, which needs no product with G.
void Projection::descend(Cut& whole) const {
  std::vector<Block>& cut = whole.blocks;
  const std::vector<i64>& ranks = whole.ranks;
  const bool with_gradients = groups_ > 1 && metric_.gradients.defined();
  at::Tensor d = error_of(whole);
  if (metric_.inputs.defined()) d = at::mm(d, metric_.inputs);
  if (with_gradients) d = at::mm(metric_.gradients, d);
  for (size_t i = 0; i < cut.size(); ++i) {
    if (ranks[i] == 0) continue;
    const i64 k = static_cast<i64>(i) / groups_, l = static_cast<i64>(i) % groups_;
    at::Tensor step = part(d, l, k);
    if (with_gradients) step = solve(gradient_roots_[static_cast<size_t>(l)], step);
    if (!input_roots_.empty()) step = solve(input_roots_[static_cast<size_t>(k)], step.t()).t();
    const at::Tensor before = at::mm(cut[i].left, cut[i].right);
    const Block best = decompose(before + step, l, k);
    cut[i] = {columns(best.left, ranks[i]), columns(best.right.t(), ranks[i]).t(), {}};
    at::Tensor change = at::mm(cut[i].left, cut[i].right) - before;
    if (metric_.inputs.defined()) {
      change = at::mm(change, metric_.inputs.narrow(0, k * slice_columns_, slice_columns_));
    } else {
      const at::Tensor wide = at::zeros({group_rows_, d.size(1)}, d.options());
      wide.narrow(1, k * slice_columns_, slice_columns_).copy_(change);
      change = wide;
    }
    if (with_gradients) {
      const at::Tensor g = metric_.gradients.narrow(1, l * group_rows_, group_rows_);
      d -= at::mm(g, change);
    } else {
      d.narrow(0, l * group_rows_, group_rows_).sub_(change);
    }
  }
}

std::vector<at::Tensor> Projection::factors_at(const LinearSpec& spec, int sweeps) const {
  const TwoFactor f = *two_factor(spec);
  Cut cut = cut_at(spec);
  const bool coupled = metric_.inputs.defined() || (groups_ > 1 && metric_.gradients.defined());
  if (coupled && blocks_.size() > 1) {
    for (int sweep = 0; sweep < sweeps; ++sweep) descend(cut);
  }
  at::Tensor v = at::zeros({f.v_blocks, f.v_out, f.v_in}, dense_.options());
  at::Tensor u = at::zeros({f.u_blocks, f.u_out, f.u_in}, dense_.options());
  const auto index = [&](const std::vector<i64>& positions) {
    return at::tensor(positions, at::kLong).to(dense_.device());
  };
  for (const ProjectionBlock& place : projection_blocks(f)) {
    const Block& block = cut.blocks[static_cast<size_t>(place.slice * groups_ + place.group)];
    v[place.slice].index_copy_(0, index(place.v_rows), block.right.contiguous());
    u[place.group].index_copy_(1, index(place.u_columns), block.left.contiguous());
  }
  const auto list = factors(spec);
  return {v.to(at::kFloat).view(list[0].shape), u.to(at::kFloat).view(list[1].shape)};
}

std::vector<at::Tensor> project_to(const LinearSpec& spec, const at::Tensor& dense) {
  switch (form_of(spec)) {
    case LinearForm::kDense:
      return {dense.to(at::kFloat).clone()};
    case LinearForm::kTwoFactor:
      break;
  }
  return Projection(spec, dense).factors_at(spec);
}

}  // namespace lathe::train
