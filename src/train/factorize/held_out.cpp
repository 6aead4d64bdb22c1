#include "train/factorize/held_out.h"

#include <algorithm>

namespace lathe::train {

namespace {

// The window's inputs (1, n).
at::Tensor inputs_of(const std::vector<i64>& window) {
  const auto n = static_cast<i64>(window.size()) - 1;
  return at::tensor(window, at::kLong).narrow(0, 0, n).view({1, n});
}

}  // namespace

HeldOut::HeldOut(const Model& reference, const std::vector<std::vector<i64>>& windows)
    : reference_(reference), windows_(windows) {
  LATHE_CHECK(!windows.empty());
  at::NoGradGuard no_grad;
  for (const auto& window : windows) hidden_.push_back(reference.forward(inputs_of(window)));
}

i64 HeldOut::n_tokens() const {
  i64 n = 0;
  for (const auto& window : windows_) n += static_cast<i64>(window.size()) - 1;
  return n;
}

double HeldOut::reference_nll() const {
  double nll = 0;
  for (size_t w = 0; w < windows_.size(); ++w) {
    const at::Tensor targets = at::tensor(windows_[w], at::kLong).narrow(0, 1, hidden_[w].size(0));
    nll += reference_.loss_of(hidden_[w], targets.contiguous()).item<double>();
  }
  return nll / static_cast<double>(n_tokens());
}

HeldOutFit HeldOut::compare(const Model& model, i64 n_windows) const {
  constexpr i64 kRows = 256;  // whose logits exist at a time
  at::NoGradGuard no_grad;
  const size_t end =
      n_windows > 0 ? std::min(windows_.size(), static_cast<size_t>(n_windows)) : windows_.size();
  double nll = 0, kl = 0;
  i64 n = 0;
  for (size_t w = 0; w < end; ++w) {
    const at::Tensor hidden = model.forward(inputs_of(windows_[w]));
    const at::Tensor targets = at::tensor(windows_[w], at::kLong).narrow(0, 1, hidden.size(0));
    for (i64 at = 0; at < hidden.size(0); at += kRows) {
      const i64 rows = std::min(kRows, hidden.size(0) - at);
      const at::Tensor mine = at::log_softmax(model.logits_of(hidden.narrow(0, at, rows)), 1);
      const at::Tensor its =
          at::log_softmax(reference_.logits_of(hidden_[w].narrow(0, at, rows)), 1);
      nll -= mine.gather(1, targets.narrow(0, at, rows).unsqueeze(1)).sum().item<double>();
      kl += (its.exp() * (its - mine)).sum().item<double>();
    }
    n += hidden.size(0);
  }
  return {nll / static_cast<double>(n), kl / static_cast<double>(n)};
}

}  // namespace lathe::train
