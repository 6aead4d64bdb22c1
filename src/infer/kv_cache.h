// What a sequence leaves behind for its next tokens: keys and values of every block, and the last
// inputs of every causal convolution.
#pragma once

#include <vector>

#include "infer/model.h"

namespace lathe::infer {

// One sequence. Belongs to one thread at a time; must not outlive the model it was made for.
// Memory is taken only as far as the sequence grows.
class KvCache {
 public:
  // Room for `capacity` tokens, at most the context length (0: the context length), stored as kF32
  // or kBf16.
  explicit KvCache(const Model& model, i64 capacity = 0, DType dtype = DType::kF32);

  i64 length() const { return length_; }
  i64 capacity() const { return capacity_; }
  DType dtype() const { return dtype_; }
  void clear();
  // Continues from the same tokens as `other`, a cache of the same model, capacity and type.
  void copy_from(const KvCache& other);
  // Bytes a token takes.
  i64 bytes_per_token() const;

  // Keys (already rotated) and values of one block: (n_kv_heads, rows, d_head) each, of which the
  // first length() rows are in use; rows is a multiple of kRowGroup.
  struct Layer {
    i64 n_kv_heads = 0, d_head = 0, rows = 0;
    Buffer keys, values;
  };
  Layer& layer(i64 i) { return layers_[static_cast<size_t>(i)]; }
  // The kernel_size − 1 inputs (in) before the next token, oldest first; zeros before the text.
  std::vector<float>& memory(i64 project) { return memories_[static_cast<size_t>(project)]; }
  // After a forward pass has written the rows behind length().
  void advance(i64 n_tokens) { length_ += n_tokens; }

  static constexpr i64 kRowGroup = 64;

 private:
  i64 length_ = 0, capacity_ = 0;
  DType dtype_;
  std::vector<Layer> layers_;  // by BlockSpec::layer
  std::vector<std::vector<float>> memories_;
};

}  // namespace lathe::infer
