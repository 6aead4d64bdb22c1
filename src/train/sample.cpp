#include "train/sample.h"

#include "base/rng.h"

namespace lathe::train {

std::string sample_text(const Model& model, const Plan& plan, const Tokenizer& tokenizer,
                        const std::string& prompt, i64 n, uint64_t seed, at::Device device,
                        const std::function<bool()>& stop) {
  constexpr double kTemperature = 0.8;
  std::vector<int32_t> ids;
  if (const auto end = tokenizer.end_of_text()) ids.push_back(*end);
  const size_t start = ids.size();
  tokenizer.append_ids(prompt, ids);
  if (ids.empty()) return "";
  const Random random(seed, RandomUse::kSampling);
  const i64 T = plan.spec.context_length;
  for (i64 i = 0; i < n && !stop(); ++i) {
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
