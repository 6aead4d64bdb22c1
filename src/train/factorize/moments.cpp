#include "train/factorize/moments.h"

#include <algorithm>
#include <chrono>

#include "base/checksum.h"
#include "train/nn/linear.h"

namespace lathe::train {

namespace {

// Of Σ x xᵀ the lower triangle, block row by block row; what is above is no concern of anybody's.
void add_lower_products(at::Tensor& sums, const at::Tensor& x) {
  constexpr i64 kRows = 192;
  const i64 n = x.size(1);
  for (i64 at = 0; at < n; at += kRows) {
    const i64 rows = std::min(kRows, n - at);
    at::Tensor part = sums.narrow(0, at, rows).narrow(1, 0, at + rows);
    add_product(part, x.narrow(1, at, rows), x.narrow(1, 0, at + rows));
  }
}

// Both triangles, per position.
at::Tensor mean_product(const at::Tensor& lower, i64 n) {
  const at::Tensor wide = lower.to(at::kDouble) / static_cast<double>(n);
  return wide.tril() + wide.tril(-1).t();
}

}  // namespace

ErrorMetric metric_of(const Moments& moments, const LinearMoments& linear, bool centred,
                      bool with_gradients, const Shrinkage& shrinkage) {
  LATHE_CHECK(moments.n_inputs > 0);
  at::Tensor a = mean_product(linear.inputs, moments.n_inputs);
  if (centred) {
    const at::Tensor mean = mean_input(moments, linear);
    a = a - at::outer(mean, mean);
  }
  ErrorMetric metric{regularised(a, shrinkage.inputs), {}};
  if (with_gradients) {
    LATHE_CHECK(linear.gradients.defined() && moments.n_gradients > 0);
    metric.gradients =
        regularised(mean_product(linear.gradients, moments.n_gradients), shrinkage.gradients);
  }
  return metric;
}

at::Tensor mean_input(const Moments& moments, const LinearMoments& linear) {
  return linear.input_sum.to(at::kDouble) / static_cast<double>(moments.n_inputs);
}

void MomentCollector::input(const std::string& part, const at::Tensor& x) {
  LinearMoments& sums = moments_.linears.at(part);
  const at::Tensor wide = x.to(at::kFloat).contiguous();
  add_lower_products(sums.inputs, wide);
  sums.input_sum += wide.sum(0);
}

void MomentCollector::output_gradient(const std::string& part, const at::Tensor& dy) {
  LinearMoments& sums = moments_.linears.at(part);
  if (!sums.gradients.defined()) return;
  at::NoGradGuard no_grad;
  const i64 edge = dy.size(0) / 8;
  const at::Tensor g = dy.narrow(0, edge, dy.size(0) - 2 * edge).to(at::kFloat);
  constexpr double kNothing = 1e-10;
  const at::Tensor norms = g.norm(2, 1, /*keepdim=*/true);
  const at::Tensor counted = norms >= kNothing;
  const double mean = at::where(counted, norms, at::zeros_like(norms)).sum().item<double>() /
                      std::max<double>(1, counted.sum().item<double>());
  const at::Tensor wanted = norms.clamp(0.1 * mean, 10 * mean);
  const at::Tensor scaled = g * at::where(counted, wanted / norms.clamp_min(kNothing), 1.0);
  add_lower_products(sums.gradients, scaled.contiguous());
}

CalibrationText cut_windows(const TokenSource& text, i64 window, i64 n_windows, i64 n_held_out,
                            const std::string& where) {
  if (text.size < 4) {
    fail("[calibrate] {}: {} tokens, expected at least 4; give a text of some thousand words",
         where, text.size);
  }
  // A short text still gives one to learn from and one to check with.
  window = std::clamp<i64>(window, 1, text.size / 2 - 1);
  const i64 all = text.size / (window + 1);
  n_held_out = std::min(n_held_out, std::max<i64>(1, all / 10));
  n_windows = std::min(n_windows, all - n_held_out);
  LATHE_CHECK(n_windows >= 1);
  const auto read = [&](i64 index) {
    std::vector<i64> tokens(static_cast<size_t>(window + 1));
    text.read(index * (window + 1), tokens);
    return tokens;
  };
  CalibrationText cut;
  for (i64 i = 0; i < n_windows; ++i) {
    cut.windows.push_back(read(i * (all - n_held_out) / n_windows));
  }
  for (i64 i = all - n_held_out; i < all; ++i) cut.held_out.push_back(read(i));
  return cut;
}

std::string checksum_of(const std::vector<std::vector<i64>>& windows) {
  uint32_t sum = 0;
  for (const auto& tokens : windows) sum = checksum(std::as_bytes(std::span(tokens)), sum);
  return format("{:08x}", sum);
}

void collect(Model& model, Moments& moments, const std::vector<std::vector<i64>>& windows,
             const OnWindow& on_window, const std::function<void()>& save) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kSaveEvery = std::chrono::minutes(2);
  const auto n_windows = static_cast<i64>(windows.size());
  LATHE_CHECK(n_windows == moments.source.n_windows);
  auto saved = Clock::now();
  bool changed = false;
  while (moments.n_done < n_windows) {
    const std::vector<i64>& tokens = windows[static_cast<size_t>(moments.n_done)];
    const auto n = static_cast<i64>(tokens.size()) - 1;
    const at::Tensor all = at::tensor(tokens, at::kLong).view({1, n + 1});
    const at::Tensor inputs = all.narrow(1, 0, n).contiguous();
    if (moments.source.gradients) {
      const i64 kept = n - 2 * (n / 8);
      model.loss_and_grad(inputs, all.narrow(1, 1, n).contiguous(), 1);
      moments.n_gradients += kept;
    } else {
      at::NoGradGuard no_grad;
      model.forward(inputs);
    }
    moments.n_inputs += n;
    moments.n_done += 1;
    changed = true;
    on_window(moments.n_done, n_windows);
    if (save && moments.n_done < n_windows && Clock::now() - saved > kSaveEvery) {
      save();
      saved = Clock::now();
      changed = false;
    }
  }
  if (save && changed) save();
}

}  // namespace lathe::train
