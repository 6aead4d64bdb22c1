#include "infer/speed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/memory_limits.h"
#include "base/numeric.h"
#include "base/rng.h"
#include "infer/generate.h"

namespace lathe::infer {

namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

KvCache make_cache(const Model& model, const SpeedTest& test) {
  const i64 all = test.depth + test.n_tokens(), context = model.plan.spec.context_length;
  if (all > context) {
    fail("[bench] {} tokens after {} do not fit the model's context of {}; ask for fewer",
         test.n_tokens(), test.depth, context);
  }
  return KvCache(model, all, test.cache);
}

i64 bytes_of(const PanelView& w) { return stored_bytes(w.dtype, w.n_blocks * w.rows * w.cols); }
i64 bytes_of(const Linear& linear) {
  i64 bytes = 0;
  for (const PanelView& w : linear.weights) bytes += bytes_of(w);
  return bytes;
}
i64 bytes_of(const std::vector<Block>& blocks) {
  i64 bytes = 0;
  for (const Block& b : blocks) {
    for (const Linear* linear : {&b.qkv, &b.out, &b.up, &b.down}) bytes += bytes_of(*linear);
  }
  return bytes;
}

}  // namespace

SpeedRun::SpeedRun(const Model& model, State& state, const SpeedTest& test)
    : model_(model), state_(state), test_(test), cache_(make_cache(model, test)) {
  const Random random(1, RandomUse::kSampling);
  const auto vocab = static_cast<uint64_t>(model.plan.spec.vocab_size);
  for (i64 i = 0; i < test.depth + test.n_tokens(); ++i) {
    tokens_.push_back(static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) % vocab));
  }
  if (test.depth == 0) return;
  prefill(model, state, cache_, std::span(tokens_).first(static_cast<size_t>(test.depth)),
          test.path);
}

double SpeedRun::seconds() {
  cache_.truncate(test_.depth);
  const std::span<const int32_t> rest =
      std::span<const int32_t>(tokens_).subspan(static_cast<size_t>(test_.depth));
  const auto n_prompt = static_cast<size_t>(test_.n_prompt);
  const Stopwatch watch;
  if (n_prompt > 0) prefill(model_, state_, cache_, rest.first(n_prompt), test_.path);
  for (size_t i = n_prompt; i < rest.size(); ++i) {
    forward(model_, state_, cache_, rest.subspan(i, 1), LogitRows::kLast, test_.path);
  }
  return watch.seconds();
}

i64 weight_bytes_a_token(const Model& model, PathChoice path) {
  i64 bytes = 0;
  const auto visit = Overloaded{
      [](const Embed&) {},  // a row
      [&](const Blocks& stage) { bytes += bytes_of(stage.blocks); },
      [&](const Project& project) { bytes += bytes_of(project.weight); },
      [&](const Fork& fork) {
        for (size_t i = 0; i < fork.paths.size(); ++i) {
          if (path == PathChoice::kBest && i != fork.best) continue;
          bytes += bytes_of(fork.paths[i].entry) + bytes_of(fork.paths[i].blocks);
        }
      },
      [](const FinalNorm&) {},
      [&](const Head& head) { bytes += bytes_of(head.weight); },
  };
  for (const LoadedStage& stage : model.stages) std::visit(visit, stage);
  return bytes;
}

double read_bandwidth(ThreadPool& pool) {
  const i64 bytes = std::clamp<i64>(available_memory() / 4, i64{16} << 20, i64{512} << 20);
  Buffer buffer(static_cast<size_t>(bytes));
  std::memset(buffer.data(), 1, buffer.size());
  const i64 slices = pool.size() * 4, words = bytes / 8 / slices;
  std::atomic<uint64_t> sink{0};  // so that nothing is left out
  double best = 0;
  for (int pass = 0; pass < 6; ++pass) {
    const Stopwatch watch;
    pool.parallel_for(slices, [&](i64 slice, int) {
      const uint64_t* p = buffer.as<uint64_t>() + slice * words;
      uint64_t sums[8] = {};
      for (i64 i = 0; i + 8 <= words; i += 8) {
        for (int j = 0; j < 8; ++j) sums[j] += p[i + j];
      }
      for (const uint64_t sum : sums) sink += sum;
    });
    best = std::max(best, static_cast<double>(slices * words * 8) / watch.seconds());
  }
  return best;
}

double product_peak(State& state, DType type) {
  constexpr i64 n = 1024, width = 2048;
  Buffer x(n * width * sizeof(float)), y(n * width * sizeof(float));
  PanelView view{type, nullptr, 1, width, width};
  Buffer w(static_cast<size_t>(panel_bytes(state.k, view)));
  view.data = w.data();
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const Stopwatch watch;
    state.matmul(n, x.as<float>(), view, nullptr, y.as<float>());
    best = std::max(best, 2.0 * n * width * width / watch.seconds());
  }
  return best;
}

}  // namespace lathe::infer
