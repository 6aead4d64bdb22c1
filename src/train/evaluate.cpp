#include "train/evaluate.h"

#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace lathe::train {

namespace {

// Rows of n + 1 ids as (B, n) inputs and (B, n) targets on the device.
std::pair<at::Tensor, at::Tensor> inputs_and_targets(std::vector<i64>& ids, i64 rows, i64 n,
                                                     at::Device device) {
  const at::Tensor all =
      at::from_blob(ids.data(), {rows, n + 1}, at::TensorOptions().dtype(at::kLong)).to(device);
  return {all.narrow(1, 0, n).contiguous(), all.narrow(1, 1, n).contiguous()};
}

}  // namespace

Validation validate_model(const Model& model, const Plan& plan,
                          const std::vector<ValidationSplit>& splits, i64 max_tokens,
                          i64 micro_batch, at::Device device, bool (*stop)()) {
  const i64 T = plan.spec.context_length;
  Validation result;
  double nats = 0, bytes = 0;
  bool bytes_known = true;
  for (const ValidationSplit& split : splits) {
    const i64 budget = max_tokens / static_cast<i64>(splits.size());
    i64 at = 0;
    while (at + 1 < split.tokens->size() && (at == 0 || at + T <= budget)) {
      if (stop && stop()) return result;
      const i64 left = split.tokens->size() - 1 - at;  // tokens that can still be predicted
      const i64 n = std::min(T, left);
      const i64 by_budget = std::max<i64>(1, (budget - at) / n);
      const i64 rows = std::min({micro_batch, left / n, by_budget});
      std::vector<i64> ids(static_cast<size_t>(rows * (n + 1)));
      for (i64 r = 0; r < rows; ++r) {
        split.tokens->copy(at + r * n, std::span(ids).subspan(static_cast<size_t>(r * (n + 1)),
                                                              static_cast<size_t>(n + 1)));
      }
      for (i64 id : ids) {
        if (id >= plan.spec.vocab_size) {
          fail(
              "[validation] token {} is outside the vocabulary of {}; prepared with another "
              "tokenizer?",
              id, plan.spec.vocab_size);
        }
      }
      const auto [inputs, targets] = inputs_and_targets(ids, rows, n, device);
      nats += model.loss(inputs, targets).item<double>();
      result.tokens += rows * n;
      bytes += static_cast<double>(rows * n) * split.bytes_per_token;
      at += rows * n;
    }
    bytes_known = bytes_known && split.bytes_per_token > 0;
  }
  result.loss = result.tokens ? nats / static_cast<double>(result.tokens) : std::nan("");
  result.bits_per_byte = bytes_known && bytes > 0 ? nats / std::numbers::ln2 / bytes : std::nan("");
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
