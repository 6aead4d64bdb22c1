// What a text says of a model's linears: the second moments A and G behind ErrorMetric
// (train/nn/projection.h), collected over windows of the text, kept in a file and gone on with.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "eval/token_source.h"
#include "train/nn/model.h"
#include "train/nn/projection.h"

namespace lathe::train {

// Of one linear, f32 on the model's device.
struct LinearMoments {
  at::Tensor inputs;     // Σ x xᵀ (in, in): the lower triangle, as in all of these
  at::Tensor input_sum;  // Σ x (in)
  at::Tensor gradients;  // Σ g gᵀ (out, out); undefined where they are not asked for
};

// What the sums are of.
struct MomentSource {
  std::string model;       // checksum of the weights
  std::string text;        // checksum of the windows' tokens
  i64 n_windows = 0;       // asked for
  i64 window = 0;          // tokens of one
  bool gradients = false;  // whether Σ g gᵀ is there
  bool operator==(const MomentSource&) const = default;
};

struct Moments {
  MomentSource source;
  i64 n_done = 0;  // windows
  // Positions that the sums are over.
  i64 n_inputs = 0, n_gradients = 0;
  std::map<std::string, LinearMoments> linears;  // by part, "blocks.0.ffn.up"

  bool is_whole() const { return n_done == source.n_windows; }
};

// How the sums become a metric.
struct Shrinkage {
  double inputs = 0, gradients = 0;  // shares of the diagonal, see regularised()
};

// Per token; G is the identity unless `with_gradients`, which must then be there. `centred`: A
// around the mean, which a bias corrected by E·mean takes out of the error: mean_input().
ErrorMetric metric_of(const Moments& moments, const LinearMoments& linear, bool centred,
                      bool with_gradients, const Shrinkage& shrinkage);
at::Tensor mean_input(const Moments& moments, const LinearMoments& linear);  // (in) f64

// Adds up while a model runs. x counts at every position; the gradient g of the summed loss of a
// window at all but the first and last eighth of the window, where contexts are short or nobody
// looks back, and with its norm brought to within a tenth and ten times their mean in the window,
// so that no token decides alone (KFAC-SVD, 2026).
class MomentCollector : public LinearObserver {
 public:
  // Borrows `moments`, whose linears are those that are observed.
  explicit MomentCollector(Moments& moments) : moments_(moments) {}
  bool observes(const std::string& part) const override { return moments_.linears.contains(part); }
  void input(const std::string& part, const at::Tensor& x) override;
  void output_gradient(const std::string& part, const at::Tensor& dy) override;

 private:
  Moments& moments_;
};

// Windows of a text: evenly spaced ones to learn from, and behind them ones to check with.
struct CalibrationText {
  std::vector<std::vector<i64>> windows, held_out;  // window + 1 tokens each
};
// At most n_windows of `window` + 1 tokens, and n_held_out from the last tenth of the text; a short
// text gives fewer and shorter ones. Error where there are fewer than four tokens.
CalibrationText cut_windows(const TokenSource& text, i64 window, i64 n_windows, i64 n_held_out,
                            const std::string& where);
std::string checksum_of(const std::vector<std::vector<i64>>& windows);

// After each window: (done, all).
using OnWindow = std::function<void(i64 done, i64 all)>;
// Goes on from moments.n_done. `model` was made with a collector over `moments`. Every save_every
// seconds and at the end, `save` is called where it is not null.
void collect(Model& model, Moments& moments, const std::vector<std::vector<i64>>& windows,
             const OnWindow& on_window, const std::function<void()>& save);

// Writes the file, whole or not at all.
void save_moments(const std::string& path, const Moments& moments);
// Error where the file is none of these or its shapes are not those of `linears` (part → in, out).
Moments load_moments(const std::string& path, const std::map<std::string, LinearSpec>& linears,
                     at::Device device);

}  // namespace lathe::train
