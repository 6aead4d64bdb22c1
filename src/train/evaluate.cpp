#include "train/evaluate.h"

#include <cmath>

#include "base/rng.h"

namespace lathe::train {

namespace {

// Nats of every target of a batch of rows, each n + 1 ids long: n inputs and what follows each.
double nats_of(const Model& model, std::vector<i64>& ids, i64 rows, i64 n, at::Device device) {
  const at::Tensor all =
      at::from_blob(ids.data(), {rows, n + 1}, at::TensorOptions().dtype(at::kLong)).to(device);
  return model.loss(all.narrow(1, 0, n).contiguous(), all.narrow(1, 1, n).contiguous())
      .item<double>();
}

void check_ids(const std::vector<i64>& ids, i64 vocab_size) {
  for (const i64 id : ids) {
    if (id < vocab_size) continue;
    fail("[validation] token {} is outside the vocabulary of {}; prepared with another tokenizer?",
         id, vocab_size);
  }
}

}  // namespace

Validation validate_model(const Model& model, const Plan& plan,
                          const std::vector<ValidationSplit>& splits, i64 micro_batch,
                          at::Device device, bool (*stop)()) {
  Validation result;
  double nats = 0;
  i64 n_bytes = 0;
  std::vector<i64> ids, window;
  for (const ValidationSplit& split : splits) {
    const ReadTokens read = split.read();
    const std::vector<Window>& windows = split.part.windows;
    for (size_t at = 0; at < windows.size();) {
      if (stop && stop()) return result;
      const Window& first = windows[at];
      ids.clear();
      i64 rows = 0;
      for (; rows < micro_batch && at < windows.size(); ++rows, ++at) {
        const Window& w = windows[at];
        // The last window may repeat what was scored before; it is a batch of its own.
        if (rows > 0 && (w.input != first.input || w.scored != w.input)) break;
        read_window(split.part, w, read, window);
        ids.insert(ids.end(), window.begin(), window.end());
        if (w.scored != w.input) {
          ++rows, ++at;
          break;
        }
      }
      check_ids(ids, plan.spec.vocab_size);
      nats += nats_of(model, ids, rows, first.input, device);
      const i64 context_only = first.input - first.scored;
      if (context_only > 0) {
        // No token sees a later one: what is not scored costs the same by itself.
        ids.resize(static_cast<size_t>(context_only + 1));
        nats -= nats_of(model, ids, 1, context_only, device);
      }
    }
    result.tokens += split.part.n_tokens;
    n_bytes += split.part.n_bytes;
  }
  result.loss = result.tokens ? nats / static_cast<double>(result.tokens) : std::nan("");
  result.bits_per_byte = bits_per_byte(nats, n_bytes);
  return result;
}

std::string sample_text(const Model& model, const Plan& plan, const Tokenizer& tokenizer,
                        const std::string& prompt, i64 n, uint64_t seed, at::Device device,
                        bool (*stop)()) {
  constexpr double kTemperature = 0.8;
  std::vector<int32_t> ids;
  if (const auto end = tokenizer.end_of_text()) ids.push_back(*end);
  const size_t start = ids.size();
  tokenizer.append_ids(prompt, ids);
  if (ids.empty()) return "";
  const Random random(seed, RandomUse::kSampling);
  const i64 T = plan.spec.context_length;
  for (i64 i = 0; i < n && !(stop && stop()); ++i) {
    const size_t used = std::min(ids.size(), static_cast<size_t>(T));
    std::vector<i64> context(ids.end() - static_cast<std::ptrdiff_t>(used), ids.end());
    const at::Tensor tokens =
        at::tensor(context, at::kLong).view({1, static_cast<i64>(used)}).to(device);
    at::Tensor logits = model.logits(tokens)[-1].to(at::kCPU).to(at::kDouble);
    logits = logits.narrow(0, 0, std::min<i64>(logits.size(0), tokenizer.vocab_size()));
    const at::Tensor total = (logits / kTemperature).softmax(0).cumsum(0);
    const double u = random.uniform(static_cast<uint64_t>(i)) * total[-1].item<double>();
    const auto next = static_cast<int32_t>((total <= u).sum().item<i64>());
    if (next == tokenizer.end_of_text()) break;
    ids.push_back(std::min(next, static_cast<int32_t>(tokenizer.vocab_size() - 1)));
  }
  return tokenizer.decode(std::span(ids).subspan(start));
}

}  // namespace lathe::train
