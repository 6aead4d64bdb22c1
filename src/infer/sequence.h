// A text in the making: its tokens, what the model remembers of them, and where its draws stand.
#pragma once

#include <span>
#include <vector>

#include "infer/kv_cache.h"
#include "infer/sampler.h"

namespace lathe::infer {

// One thread at a time; must not outlive the model.
struct Sequence {
  // An empty text. `n_vocab`: ids from there on are never drawn, since a model's vocabulary may be
  // padded. Error where an option of the sampler is out of range. The cache as KvCache has it.
  Sequence(const Model& model, const SamplerOptions& options, i64 n_vocab, i64 capacity = 0,
           DType dtype = DType::kF32);

  // Tokens that have not been fed to the model yet.
  std::span<const int32_t> pending() const {
    return std::span(tokens).subspan(static_cast<size_t>(cache.length()));
  }
  bool is_full() const { return cache.length() == cache.capacity(); }

  // Draws the next token from the logits of the last one, and appends it.
  int32_t draw(std::span<const float> logits);
  // Forgets all but the first n tokens, fed or not. Draws go on from where they were.
  void truncate(size_t n);
  // Another text that goes on from here, with the same draws.
  Sequence fork() const;

  Sequence(std::vector<int32_t> text, KvCache kv, const Sampler& drawn, i64 n)
      : tokens(std::move(text)), cache(std::move(kv)), sampler(drawn), n_vocab(n) {}

  std::vector<int32_t>
      tokens;  // from the first on; the cache holds the first cache.length() of them
  KvCache cache;
  Sampler sampler;
  i64 n_vocab;
};

}  // namespace lathe::infer
