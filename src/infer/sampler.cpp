#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/error.h"

namespace lathe::infer {

namespace {

struct Scored {
  double logit;
  int32_t token;
};

// The order of a heap whose top is the most likely token.
bool less_likely(const Scored& a, const Scored& b) {
  return a.logit < b.logit || (a.logit == b.logit && a.token > b.token);
}

}  // namespace

void SamplerOptions::visit_fields(FieldVisitor& v) {
  v.field("temperature", temperature, "0: always the most likely token");
  v.field("top_k", top_k, "draw from the k most likely tokens; 0: off");
  v.field("top_p", top_p, "draw from the fewest tokens that reach this probability; 1: off");
  v.field("min_p", min_p, "drop tokens less likely than this share of the first; 0: off");
  v.field("repeat_penalty", repeat_penalty, "makes recent tokens less likely; 1: off");
  v.field("repeat_last_n", repeat_last_n, "tokens that the penalty looks back over");
  v.field("seed", seed, "the same seed gives the same text");
}

void SamplerOptions::validate() const {
  const auto check = [](bool good, const char* key, double value, const char* expected) {
    if (!good) fail("[sampling] {} is {}, expected {}", key, value, expected);
  };
  check(temperature >= 0 && std::isfinite(temperature), "temperature", temperature, "0 or more");
  check(top_k >= 0, "top_k", static_cast<double>(top_k), "0 (off) or more");
  check(top_p > 0 && top_p <= 1, "top_p", top_p, "more than 0, at most 1 (off)");
  check(min_p >= 0 && min_p <= 1, "min_p", min_p, "0 (off) to 1");
  check(repeat_penalty > 0 && std::isfinite(repeat_penalty), "repeat_penalty", repeat_penalty,
        "more than 0 (1: off)");
  check(repeat_last_n >= 0, "repeat_last_n", static_cast<double>(repeat_last_n), "0 or more");
}

std::vector<Candidate> candidates(std::span<const float> logits, i64 n_vocab,
                                  std::span<const int32_t> recent, const SamplerOptions& options) {
  const size_t n = std::min(logits.size(), static_cast<size_t>(n_vocab));
  std::vector<Scored> heap(n);
  for (size_t i = 0; i < n; ++i) {
    // A NaN has no place in an order; it is as unlikely as can be.
    const double logit = std::isnan(logits[i]) ? -INFINITY : static_cast<double>(logits[i]);
    heap[i] = {logit, static_cast<int32_t>(i)};
  }
  if (options.repeat_penalty != 1) {
    const std::unordered_set<int32_t> unique(recent.begin(), recent.end());
    for (const int32_t token : unique) {
      if (token < 0 || static_cast<size_t>(token) >= n) continue;
      double& logit = heap[static_cast<size_t>(token)].logit;
      logit = logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty;
    }
  }
  if (heap.empty()) fail("[sampling] no token to choose from: the vocabulary is empty");
  const Scored best = *std::max_element(heap.begin(), heap.end(), less_likely);
  const double top = best.logit;
  if (!std::isfinite(top)) fail("[sampling] the logits are not finite; is the model damaged?");
  if (options.temperature == 0) return {{best.token, 1.0}};
  const auto weight = [&](const Scored& s) {
    return std::exp((s.logit - top) / options.temperature);
  };
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < n) {
    const auto kept = heap.begin() + static_cast<std::ptrdiff_t>(options.top_k);
    std::nth_element(heap.begin(), kept, heap.end(),
                     [](const Scored& a, const Scored& b) { return less_likely(b, a); });
    heap.erase(kept, heap.end());
  }
  std::vector<Candidate> list;
  if (options.top_p >= 1 && options.min_p <= 0) {
    for (const Scored& s : heap) list.push_back({s.token, weight(s)});
  } else {
    double all = 0, sum = 0;
    for (const Scored& s : heap) all += weight(s);
    // In order of likelihood, but only as many as are needed: sorting a whole vocabulary takes
    // longer than a small model's forward pass.
    std::make_heap(heap.begin(), heap.end(), less_likely);
    while (!heap.empty() && (list.empty() || sum < options.top_p * all)) {
      std::pop_heap(heap.begin(), heap.end(), less_likely);
      const double w = weight(heap.back());
      if (!list.empty() && w < options.min_p) break;
      list.push_back({heap.back().token, w});
      heap.pop_back();
      sum += w;
    }
  }
  double total = 0;
  for (const Candidate& c : list) total += c.probability;
  for (Candidate& c : list) c.probability /= total;
  return list;
}

Sampler::Sampler(const SamplerOptions& options)
    : options_(options), random_(static_cast<uint64_t>(options.seed), RandomUse::kSampling) {
  options.validate();
}

int32_t Sampler::next(std::span<const float> logits, i64 n_vocab, std::span<const int32_t> text) {
  const size_t last = std::min(text.size(), static_cast<size_t>(options_.repeat_last_n));
  const auto list = candidates(logits, n_vocab, text.last(last), options_);
  double left = random_.uniform(draws_++);
  for (const Candidate& c : list) {
    left -= c.probability;
    if (left < 0) return c.token;
  }
  return list.back().token;
}

}  // namespace lathe::infer
