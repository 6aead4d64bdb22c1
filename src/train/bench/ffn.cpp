#include "train/bench/ffn.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>

#include "base/median.h"
#include "model/tensor_list.h"
#include "train/device.h"
#include "train/nn/activation.h"
#include "train/nn/guided_linear.h"

namespace lathe::train {

namespace {

// The settings of arXiv 2406.16450 at its largest model, scaled by width: rank in eighths of that.
// `share` is the percentage of dense parameters they are named after.
struct Setting {
  LinearKind kind;
  i64 share, rank_eighths, n_blocks;
};
constexpr Setting kSettings[] = {
    {LinearKind::kLowRank, 63, 4, 0},      {LinearKind::kLowRank, 32, 2, 0},
    {LinearKind::kBlockDense, 63, 6, 4},   {LinearKind::kBlockDense, 32, 3, 4},
    {LinearKind::kBlockShuffle, 63, 0, 2}, {LinearKind::kBlockShuffle, 32, 0, 4},
};

// A model of one block, with next to nothing but the feed-forward layer in it.
Plan ffn_plan(i64 width, const LinearOption& option) {
  ModelSpec spec;
  spec.vocab_size = 16;
  spec.context_length = 2;
  spec.n_layers = spec.n_heads = spec.n_kv_heads = 1;
  spec.d_head = 64;
  spec.d_model = width;
  spec.d_ff = checked_product(4, width, "the inner width");
  spec.dense_ffn_layers = {};
  spec.ffn_linear = option;
  return make_plan(spec);
}

// The most bytes that LibTorch's allocators held at once since this was made, beyond those then.
class PeakBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, i64 size, size_t, size_t, c10::Device) override {
    now_ += size;  // negative where memory is given back
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  double mib() const { return static_cast<double>(peak_) / (1 << 20); }

 private:
  i64 now_ = 0, peak_ = 0;
};

struct Ffn {
  Ffn(const BenchFfnRow& named, const LinearOption& option, const BenchFfnSpec& bench,
      at::Device device)
      : row(named),
        plan(ffn_plan(row.width, option)),
        block(std::get<BlocksStage>(plan.stages[1]).blocks[0]),
        parameters(plan, device, bench.precision) {
    row.precision = bench.precision;
    for (Parameter& p : parameters.list()) p.value.normal_(0, 0.02);
    parameters.refresh_compute();
    linears = make_linears(nullptr);
    for (const LinearSpec& linear : {block.up, block.down}) {
      macs += linear_macs(linear);
      row.params += linear_weights(linear) + linear.out;
    }
    if (!bench.guided || row.kind == "dense") return;
    SelfGuidedSpec guided;
    guided.mode = GuideMode::kFixedSteps;
    guided.stochastic = GuideDraw::kAlways;
    guidance = std::make_unique<Guidance>(plan, guided, 2, 1, device, bench.precision);
    guidance->parameters.flat_value.normal_(0, 0.02);
    guidance->parameters.refresh_compute();
    guidance->set_step(1);  // half of each
    guided_linears = make_linears(guidance.get());
  }

  std::array<GuidedLinear, 2> make_linears(Guidance* g) {
    return {GuidedLinear(block.up, tensor_name(block.name, "ffn.up"), parameters, g),
            GuidedLinear(block.down, tensor_name(block.name, "ffn.down"), parameters, g)};
  }
  static at::Tensor forward(const std::array<GuidedLinear, 2>& pair, const at::Tensor& x) {
    return pair[1].forward(activate(pair[0].forward(x), Activation::kGeluTanh));
  }
  void step(const std::array<GuidedLinear, 2>& pair, const at::Tensor& x, const at::Tensor& dy) {
    const at::Tensor leaf = x.detach().requires_grad_();
    forward(pair, leaf).backward(dy);
  }

  BenchFfnRow row;
  Plan plan;
  const BlockSpec& block;
  Parameters parameters;
  std::unique_ptr<Guidance> guidance;
  std::array<GuidedLinear, 2> linears, guided_linears;
  i64 macs = 0;
  std::vector<double> forward_times, step_times, guided_times;
};

double milliseconds(at::Device device, const std::function<void()>& run) {
  synchronize(device);
  const auto start = std::chrono::steady_clock::now();
  run();
  synchronize(device);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// The three products of each dense matrix, alone: what guidance cannot do without.
double products_ms(Ffn& dense, const at::Tensor& x, const at::Tensor& dy, at::Device device) {
  const at::Tensor inner = at::randn({x.size(0), dense.block.up.out}, x.options());
  const auto of = [&](const char* name, const at::Tensor& in, const at::Tensor& d_out) {
    const at::Tensor& w = dense.parameters.get(tensor_name(dense.block.name, name)).compute;
    at::mm(in, w.t());
    at::mm(d_out.t(), in);
    at::mm(d_out, w);
  };
  return milliseconds(device, [&] {
    of("ffn.up.weight", x, inner);
    of("ffn.down.weight", inner, dy);
  });
}

std::vector<std::unique_ptr<Ffn>> make_variants(const BenchFfnSpec& spec, i64 width, i64 tokens,
                                                at::Device device) {
  std::vector<std::unique_ptr<Ffn>> variants;
  BenchFfnRow row{.width = width, .tokens = tokens, .kind = "dense"};
  variants.push_back(std::make_unique<Ffn>(row, LinearOption{}, spec, device));
  for (const Setting& s : kSettings) {
    const std::string kind(name_of(s.kind));
    if (std::find(spec.kinds.begin(), spec.kinds.end(), kind) == spec.kinds.end()) continue;
    row.kind = kind;
    row.share = s.share;
    row.rank = width * s.rank_eighths / 8;
    row.blocks = s.n_blocks;
    variants.push_back(
        std::make_unique<Ffn>(row, LinearOption{s.kind, row.rank, row.blocks}, spec, device));
  }
  return variants;
}

void measure(std::vector<std::unique_ptr<Ffn>>& variants, const BenchFfnSpec& spec,
             at::Device device, double peak) {
  Ffn& dense = *variants.front();
  const i64 width = dense.row.width, tokens = dense.row.tokens;
  const auto options = at::TensorOptions().device(device).dtype(dense.parameters.compute_dtype);
  std::vector<double> products;
  for (i64 round = -2; round < spec.repeats; ++round) {
    const at::Tensor x = at::randn({tokens, width}, options), dy = at::randn_like(x);
    const auto keep = [&](std::vector<double>& times, double ms) {
      if (round >= 0) times.push_back(ms);
    };
    for (auto& ffn : variants) {
      {
        at::NoGradGuard no_grad;
        keep(ffn->forward_times, milliseconds(device, [&] { Ffn::forward(ffn->linears, x); }));
      }
      if (round == -1) {  // counted in a round that is not timed
        const auto bytes = std::make_shared<PeakBytes>();
        c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, bytes);
        ffn->step(ffn->linears, x, dy);
        ffn->row.step_mib = bytes->mib();
      }
      keep(ffn->step_times, milliseconds(device, [&] { ffn->step(ffn->linears, x, dy); }));
      if (!ffn->guidance) continue;
      keep(ffn->guided_times, milliseconds(device, [&] { ffn->step(ffn->guided_linears, x, dy); }));
    }
    if (spec.guided) keep(products, products_ms(dense, x, dy, device));
  }
  const double product_ms = spec.guided ? median(products) : 0;
  for (auto& ffn : variants) {
    BenchFfnRow& row = ffn->row;
    row.forward_ms = median(ffn->forward_times);
    row.step_ms = median(ffn->step_times);
    row.guided_ms = ffn->guidance ? median(ffn->guided_times) : 0;
    row.forward_speed = dense.row.forward_ms / row.forward_ms;
    row.step_speed = dense.row.step_ms / row.step_ms;
    row.limit = static_cast<double>(dense.macs) / static_cast<double>(ffn->macs);
    const double flops = 2 * static_cast<double>(ffn->macs) * static_cast<double>(tokens);
    row.forward_peak_share = flops / (row.forward_ms / 1000) / peak;
    row.step_peak_share = 3 * flops / (row.step_ms / 1000) / peak;
    if (ffn->guidance) row.guidance_cost = (row.guided_ms - row.step_ms) / product_ms;
  }
}

}  // namespace

std::vector<BenchFfnRow> bench_ffn(const BenchFfnSpec& asked, int* threads_used) {
  BenchFfnSpec spec = asked;
  const at::Device device = open_device(spec.device, spec.threads);
  *threads_used = at::get_num_threads();
  const PrecisionChoice choice = open_precision(spec.precision, spec.device);
  if (!choice.line.empty()) std::fprintf(stderr, "%s\n", choice.line.c_str());
  spec.precision = choice.precision;
  const double peak =
      measured_peak_flops(device, spec.precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat);
  std::vector<BenchFfnRow> rows;
  for (const i64 width : spec.widths) {
    for (const i64 tokens : spec.tokens) {
      auto variants = make_variants(spec, width, tokens, device);
      measure(variants, spec, device, peak);
      for (const auto& ffn : variants) rows.push_back(ffn->row);
    }
  }
  return rows;
}

}  // namespace lathe::train
