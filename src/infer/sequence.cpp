#include "infer/sequence.h"

#include <algorithm>

namespace lathe::infer {

Sequence::Sequence(const Model& model, const SamplerOptions& options, i64 n, i64 capacity,
                   DType dtype)
    : cache(model, capacity, dtype), sampler(options), n_vocab(n) {}

int32_t Sequence::draw(std::span<const float> logits) {
  tokens.push_back(sampler.next(logits, n_vocab, tokens));
  return tokens.back();
}

void Sequence::truncate(size_t n) {
  LATHE_CHECK(n <= tokens.size());
  tokens.resize(n);
  cache.truncate(std::min(cache.length(), static_cast<i64>(n)));
}

Sequence Sequence::fork() const { return {tokens, cache.fork(), sampler, n_vocab}; }

}  // namespace lathe::infer
