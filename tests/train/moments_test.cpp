// Statistics of linears: against sums by hand, through a file, and interrupted.
#include "train/factorize/moments.h"

#include <doctest/doctest.h>

#include "one_block.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"

using namespace lathe;
using namespace lathe::train;

namespace {

ModelSpec small_spec() {
  ModelSpec spec = test::tiny_spec();
  spec.n_layers = 2;
  return spec;
}

struct SmallModel {
  SmallModel() : plan(make_plan(small_spec())), parameters(plan, at::kCPU, Precision::kF32) {
    const auto weights = test::random_weights(plan, 5);
    for (Parameter& p : parameters.list()) {
      std::vector<float> values = weights.at(p.info.name);
      p.value.copy_(at::from_blob(values.data(), p.info.shape, at::kFloat));
    }
  }
  Plan plan;
  Parameters parameters;
};

std::vector<std::vector<i64>> some_windows(i64 n, i64 length) {
  const Random random(8, RandomUse::kMixture);
  std::vector<std::vector<i64>> windows(static_cast<size_t>(n));
  uint64_t at = 0;
  for (auto& window : windows) {
    for (i64 t = 0; t <= length; ++t) window.push_back(static_cast<i64>(random.bits(at++) % 37));
  }
  return windows;
}

Moments empty_moments(const Plan& plan, const std::vector<std::vector<i64>>& windows,
                      bool gradients) {
  Moments moments;
  moments.source = {.model = "m",
                    .text = checksum_of(windows),
                    .n_windows = static_cast<i64>(windows.size()),
                    .window = static_cast<i64>(windows[0].size()) - 1,
                    .gradients = gradients};
  for (const BlockSpec* block : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*block)) {
      LinearMoments& sums = moments.linears[l.name];
      sums.inputs = at::zeros({l.spec->in, l.spec->in});
      sums.input_sum = at::zeros({l.spec->in});
      if (gradients) sums.gradients = at::zeros({l.spec->out, l.spec->out});
    }
  }
  return moments;
}

std::map<std::string, LinearSpec> linears_of(const Plan& plan) {
  std::map<std::string, LinearSpec> linears;
  for (const BlockSpec* block : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*block)) linears.emplace(l.name, *l.spec);
  }
  return linears;
}

// Keeps everything that it sees.
class Recorder : public LinearObserver {
 public:
  bool observes(const std::string&) const override { return true; }
  void input(const std::string& part, const at::Tensor& x) override { inputs[part].push_back(x); }
  void output_gradient(const std::string& part, const at::Tensor& dy) override {
    gradients[part].push_back(dy.clone());
  }
  std::map<std::string, std::vector<at::Tensor>> inputs, gradients;
};

bool same(const Moments& a, const Moments& b) {
  if (a.source != b.source || a.n_done != b.n_done || a.n_inputs != b.n_inputs ||
      a.n_gradients != b.n_gradients || a.linears.size() != b.linears.size()) {
    return false;
  }
  for (const auto& [part, one] : a.linears) {
    const LinearMoments& other = b.linears.at(part);
    if (!at::equal(one.inputs.tril(), other.inputs.tril())) return false;
    if (!at::equal(one.input_sum, other.input_sum)) return false;
    if (one.gradients.defined() && !at::equal(one.gradients.tril(), other.gradients.tril())) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("a linear's observer sees the inputs it is given and the gradient that its bias gets") {
  SmallModel f;
  Recorder seen;
  Model model(f.plan, f.parameters, false, nullptr, &seen);
  const auto windows = some_windows(1, 16);
  const at::Tensor all = at::tensor(windows[0], at::kLong).view({1, 17});
  f.parameters.zero_grad();
  model.loss_and_grad(all.narrow(1, 0, 16).contiguous(), all.narrow(1, 1, 16).contiguous(), 1);
  for (const auto& [part, spec] : linears_of(f.plan)) {
    CAPTURE(part);
    REQUIRE(seen.inputs.at(part).size() == 1);
    REQUIRE(seen.gradients.at(part).size() == 1);
    const at::Tensor x = seen.inputs.at(part)[0], dy = seen.gradients.at(part)[0];
    CHECK(relative(dy.sum(0), f.parameters.get(tensor_name(part, "bias")).grad) < 1e-4);
    CHECK(relative(at::mm(dy.t(), x), f.parameters.get(tensor_name(part, "weight")).grad) < 1e-4);
  }
}

TEST_CASE(
    "moments are the sums they claim to be: all inputs, and gradients without edges and peaks") {
  SmallModel f;
  const auto windows = some_windows(3, 24);
  Moments moments = empty_moments(f.plan, windows, true);
  MomentCollector collector(moments);
  Model observed(f.plan, f.parameters, false, nullptr, &collector);
  collect(
      observed, moments, windows, [](i64, i64) {}, nullptr);
  CHECK(moments.n_inputs == 3 * 24);
  CHECK(moments.n_gradients == 3 * 18);

  Recorder seen;
  Model model(f.plan, f.parameters, false, nullptr, &seen);
  for (const auto& window : windows) {
    const at::Tensor all = at::tensor(window, at::kLong).view({1, 25});
    model.loss_and_grad(all.narrow(1, 0, 24).contiguous(), all.narrow(1, 1, 24).contiguous(), 1);
  }
  for (const auto& [part, spec] : linears_of(f.plan)) {
    CAPTURE(part);
    at::Tensor a = at::zeros({spec.in, spec.in}), g = at::zeros({spec.out, spec.out});
    for (const at::Tensor& x : seen.inputs.at(part)) a += at::mm(x.t(), x);
    for (const at::Tensor& dy : seen.gradients.at(part)) {
      double mean = 0;
      for (i64 t = 3; t < 21; ++t) mean += dy[t].norm().item<double>() / 18;
      for (i64 t = 3; t < 21; ++t) {
        const double norm = dy[t].norm().item<double>();
        const at::Tensor scaled = dy[t] * (std::clamp(norm, 0.1 * mean, 10 * mean) / norm);
        g += at::outer(scaled, scaled);
      }
    }
    const LinearMoments& sums = moments.linears.at(part);
    CHECK(relative(sums.inputs.tril(), a.tril()) < 1e-5);
    CHECK(relative(sums.gradients.tril(), g.tril()) < 1e-4);
    const ErrorMetric metric = metric_of(moments, sums, /*centred=*/true, true, {0, 0});
    const at::Tensor mean = mean_input(moments, sums);
    CHECK(relative(metric.inputs, a.to(at::kDouble) / 72 - at::outer(mean, mean)) < 1e-3);
    CHECK(relative(metric.gradients, g.to(at::kDouble) / 54) < 1e-3);
  }
}

TEST_CASE(
    "moments interrupted, kept in a file and gone on with are those of one pass, bit for bit") {
  SmallModel f;
  const auto windows = some_windows(4, 16);
  Moments whole = empty_moments(f.plan, windows, true);
  MomentCollector collector(whole);
  Model model(f.plan, f.parameters, false, nullptr, &collector);
  const test::TempDir folder;
  const std::string file = folder.file("stats");
  struct Stop {};
  CHECK_THROWS_AS(collect(
                      model, whole, windows,
                      [](i64 done, i64) {
                        if (done == 2) throw Stop();
                      },
                      nullptr),
                  Stop);
  save_moments(file, whole);
  Moments later = load_moments(file, linears_of(f.plan), at::kCPU);
  CHECK(same(later, whole));
  CHECK(!later.is_whole());
  collect(
      model, whole, windows, [](i64, i64) {}, nullptr);

  MomentCollector again(later);
  Model resumed(f.plan, f.parameters, false, nullptr, &again);
  int saves = 0;
  collect(
      resumed, later, windows, [](i64, i64) {}, [&] { ++saves; });
  CHECK(saves == 1);
  CHECK(later.is_whole());
  CHECK(same(later, whole));
}

TEST_CASE("a file of moments that is none, or another model's, is refused by name") {
  SmallModel f;
  const auto windows = some_windows(1, 8);
  Moments moments = empty_moments(f.plan, windows, false);
  const test::TempDir folder;
  const std::string file = folder.file("stats");
  save_moments(file, moments);
  const auto refused = [&](const std::string& path, std::map<std::string, LinearSpec> linears) {
    return test::error_text([&] { load_moments(path, linears, at::kCPU); });
  };
  CHECK(test::contains(refused(file, {{"blocks.7.ffn.up", {.in = 48, .out = 96}}}),
                       "blocks.7.ffn.up"));
  CHECK(
      test::contains(refused(file, {{"blocks.1.ffn.up", {.in = 49, .out = 96}}}), "another model"));
  test::TinyWeights weights = test::random_weights(f.plan, 1);
  test::write_model(small_spec(), weights, folder.path());
  CHECK(test::contains(refused(folder.file("model.safetensors"), {}), "no 'format'"));
  moments.n_done = 3;  // of 1
  save_moments(file, moments);
  CHECK(test::contains(refused(file, {}), "3 of 1 windows"));
}

TEST_CASE(
    "calibration windows: none overlap, those to check with come last, short texts give less") {
  std::vector<i64> tokens(1000);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<i64>(i);
  const auto text_of = [&](i64 n) {
    return TokenSource{n,
                       [&](i64 offset, std::span<i64> out) {
                         std::copy_n(tokens.begin() + offset, out.size(), out.begin());
                       },
                       std::nullopt};
  };
  const CalibrationText cut = cut_windows(text_of(1000), 19, 10, 3, "t");
  REQUIRE(cut.windows.size() == 10);
  REQUIRE(cut.held_out.size() == 3);
  i64 before = -1;
  for (const auto* list : {&cut.windows, &cut.held_out}) {
    for (const auto& window : *list) {
      CHECK(window.size() == 20);
      CHECK(window.front() > before);
      CHECK(window.back() == window.front() + 19);
      before = window.back();
    }
  }
  CHECK(cut.held_out[0][0] == 940);
  const CalibrationText brief = cut_windows(text_of(11), 1024, 100, 100, "t");
  CHECK(brief.windows.size() == 1);
  CHECK(brief.held_out.size() == 1);
  CHECK(test::contains(test::error_text([&] { cut_windows(text_of(3), 8, 1, 1, "short.txt"); }),
                       "short.txt"));
}
