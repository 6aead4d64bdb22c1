// Every kernel of a training step against LibTorch's own operations, in turns, in the shapes of
// gpt2-s at 2 x 1024 tokens: the table of docs/performance.md. Forward and backward together where
// there are both.
//
//   [LATHE_CPU_ISA=CLASS] bench_kernels [f32|bf16] [REPEATS] [THREADS]
#include <chrono>
#include <cstdio>
#include <functional>

#include "base/cpu_isa.h"
#include "base/library_environment.h"
#include "base/median.h"
#include "model/plan.h"
#include "train/device.h"
#include "train/nn/activation.h"
#include "train/nn/attention.h"
#include "train/nn/fused.h"
#include "train/nn/linear.h"
#include "train/nn/products.h"
#include "train/nn/shuffle.h"

namespace lathe::train {

namespace {

constexpr i64 B = 2, T = 1024, N = B * T, D = 768, H = 12, E = 64, F = 3072, V = 32000;
int repeats = 15;

double milliseconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void compare(const char* name, const std::function<void()>& ours,
             const std::function<void()>& libtorch) {
  std::vector<double> a, b;
  ours();
  libtorch();
  for (int i = 0; i < repeats; ++i) {
    a.push_back(milliseconds(ours));
    b.push_back(milliseconds(libtorch));
  }
  std::printf("| %-34s | %8.2f | %8.2f | %5.2f |\n", name, median(a), median(b),
              median(b) / median(a));
  std::fflush(stdout);
}

at::Tensor normal(at::IntArrayRef sizes, at::ScalarType type) { return at::randn(sizes).to(type); }

void attention(at::ScalarType type) {
  BlockSpec block{};
  block.n_heads = block.n_kv_heads = H;
  block.d_head = E;
  const RopeTables rope = make_rope_tables(T, {.d_head = E}, at::kCPU);
  const at::Tensor qkv = normal({N, 3 * D}, type).requires_grad_(true), dy = normal({N, D}, type);
  const auto rotated = [&](const at::Tensor& x) {
    const at::Tensor a = x.narrow(3, 0, E / 2), b = x.narrow(3, E / 2, E / 2);
    return at::cat({a * rope.cos - b * rope.sin, b * rope.cos + a * rope.sin}, 3).to(type);
  };
  compare(
      "attention with rotation", [&] { causal_attention(qkv, B, block, &rope).backward(dy); },
      [&] {
        const at::Tensor heads = qkv.view({B, T, 3 * H, E}).transpose(1, 2);
        const at::Tensor out = at::scaled_dot_product_attention(
            rotated(heads.narrow(1, 0, H)), rotated(heads.narrow(1, H, H)),
            heads.narrow(1, 2 * H, H), {}, 0.0, true);
        out.transpose(1, 2).reshape({N, D}).backward(dy);
      });
}

void layer_norm(at::ScalarType type, const TrainKernels& kernels) {
  const at::Tensor x = at::randn({N, D}), delta = normal({N, D}, type), dres = at::randn({N, D});
  const at::Tensor w = at::randn({D}), b = at::randn({D}), dy = normal({N, D}, type);
  const at::Tensor sum = at::empty_like(x), y = at::empty_like(delta), dx = at::empty_like(x);
  const at::Tensor ddelta = at::empty_like(delta), mean = at::empty({N}), rstd = at::empty({N});
  const at::Tensor dwb = at::zeros({2 * D});
  const TrainNorm& norm = train_norm(kernels, "layer_norm");
  NormForward forward;
  forward.D = D;
  forward.x = f32_data(x);
  forward.delta = delta.data_ptr();
  forward.x_out = f32_data(sum);
  forward.w = f32_data(w);
  forward.b = f32_data(b);
  forward.y = y.data_ptr();
  forward.mean = f32_data(mean);
  forward.rstd = f32_data(rstd);
  NormBackward backward;
  backward.D = D;
  backward.dy = dy.data_ptr();
  backward.x = f32_data(sum);
  backward.mean = f32_data(mean);
  backward.rstd = f32_data(rstd);
  backward.w = f32_data(w);
  backward.dres = f32_data(dres);
  backward.dx = f32_data(dx);
  backward.ddelta = ddelta.data_ptr();
  compare(
      "residual sum and layer norm",
      [&] {
        for_ranges(N, 16, [&](i64 begin, i64 end) { norm.forward(forward, begin, end); });
        sum_ranges(N, 16, 2 * D, dwb, [&](i64 begin, i64 end, float* partial) {
          NormBackward run = backward;
          run.dw = partial;
          run.db = partial + D;
          norm.backward(run, begin, end);
        });
      },
      [&] {
        const at::Tensor s = x + delta;
        const auto [normed, m, r] = at::native_layer_norm(s, {D}, w, b, 1e-5);
        const at::Tensor rounded = normed.to(type);
        const auto [ds, dw, db] = at::native_layer_norm_backward(dy.to(at::kFloat), s, {D}, m, r, w,
                                                                 b, {true, true, true});
        (dres + ds).to(type);
      });
}

void activations(at::ScalarType type) {
  const at::Tensor u = normal({N, F}, type).requires_grad_(true), dy = normal({N, F}, type);
  compare(
      "GELU (tanh)", [&] { activate(u, Activation::kGeluTanh).backward(dy); },
      [&] { at::gelu(u, "tanh").backward(dy); });
}

void loss(at::ScalarType type, const TrainKernels& kernels) {
  constexpr i64 rows = 512;
  const at::Tensor logits = normal({rows, V}, type), losses = at::empty({rows});
  const at::Tensor targets = at::randint(V, {rows}, at::kLong);
  const CrossEntropy run{V, V, logits.data_ptr(), targets.data_ptr<i64>(), f32_data(losses), 1e-3f};
  compare(
      "loss and its gradient, 512 rows",
      [&] {
        for_ranges(rows, 16, [&](i64 begin, i64 end) { kernels.cross_entropy(run, begin, end); });
      },
      [&] {
        at::Tensor p = at::log_softmax(logits, 1, at::kFloat);
        p.gather(1, targets.unsqueeze(1)).sum();
        p.exp_().scatter_add_(1, targets.unsqueeze(1), at::full({rows, 1}, -1.0));
        p.mul_(1e-3).to(type);
      });
}

void shuffles(at::ScalarType type) {
  const at::Tensor x = normal({N, F}, type), bias = normal({F}, type);
  compare(
      "shuffle of 4 groups there and back", [&] { unshuffle_columns(shuffle_columns(x, 4), bias); },
      [&] {
        const at::Tensor dealt = x.view({N, F / 4, 4}).permute({2, 0, 1}).contiguous();
        dealt.permute({1, 2, 0}).reshape({N, F}) + bias;
      });
}

void sums(at::ScalarType type) {
  const at::Tensor dy = normal({N, F}, type);
  at::Tensor grad = at::zeros({F});
  compare(
      "column sums (a bias's gradient)", [&] { add_column_sum(grad, dy); },
      [&] { grad.add_(at::sum(dy, {0}, false, at::kFloat)); });
}

void optimizer(const TrainKernels& kernels) {
  constexpr i64 n = 20'000'000;
  const at::Tensor w = at::randn({n}), g = at::randn({n}), m = at::zeros({n}), v = at::zeros({n});
  AdamW update;
  update.value = f32_data(w);
  update.grad = f32_data(g);
  update.exp_avg = f32_data(m);
  update.exp_avg_sq = f32_data(v);
  update.lr = 1e-4f;
  update.beta1 = 0.9f;
  update.beta2 = 0.95f;
  update.eps = 1e-8f;
  update.correction1 = update.correction2 = 0.5f;
  const at::Tensor step = at::full({}, 10.0);
  compare(
      "AdamW, 20 M weights",
      [&] {
        for_ranges(n, 1 << 14, [&](i64 begin, i64 end) { kernels.adamw(update, begin, end); });
      },
      [&] {
        at::_fused_adamw_({w}, {g}, {m}, {v}, {}, {step}, 1e-4, 0.9, 0.95, 0.1, 1e-8, false, false);
      });
}

void linears(at::ScalarType type) {
  for (const auto& [in, out] : {std::pair{D, F}, std::pair{D, D}, std::pair{D, i64{192}},
                                std::pair{i64{192}, F}, std::pair{i64{256}, i64{256}}}) {
    const at::Tensor x = normal({N, in}, type), w = normal({out, in}, type);
    const at::Tensor bias = normal({out}, type), dy = normal({N, out}, type);
    at::Tensor grad = at::zeros({out, in}), whole = at::zeros({out, in}, x.options());
    const std::string name =
        "linear " + std::to_string(in) + " to " + std::to_string(out) + ", step";
    compare(
        name.c_str(),
        [&] {
          linear_product(x, w, bias);
          product(dy, w);
          add_product(grad, dy, x);
        },
        [&] {
          at::linear(x, w, bias);
          at::mm(dy, w);
          at::mm_out(whole, dy.t(), x);
        });
  }
}

int run(int argc, char** argv) {
  const bool bf16 = argc > 1 && std::string(argv[1]) == "bf16";
  if (argc > 2) repeats = std::max(1, std::atoi(argv[2]));
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  open_device(RunDevice::kCpu, argc > 3 ? std::atoi(argv[3]) : 2);
  const TrainKernels* kernels = train_kernels(bf16 ? DType::kBf16 : DType::kF32);
  if (kernels == nullptr) {
    std::puts("this class of CPU has no kernels of ours");
    return 1;
  }
  std::printf("%s, %s, %d threads, medians of %d, ms\n\n", kernels->isa, bf16 ? "bf16" : "f32",
              at::get_num_threads(), repeats);
  std::puts("| | lathe | LibTorch | times as fast |\n|---|---|---|---|");
  linears(type);
  attention(type);
  layer_norm(type, *kernels);
  activations(type);
  loss(type, *kernels);
  shuffles(type);
  sums(type);
  optimizer(*kernels);
  return 0;
}

}  // namespace

}  // namespace lathe::train

int main(int argc, char** argv) {
  lathe::enter_library_environment(argv);
  return lathe::train::run(argc, argv);
}
