// What a sequence leaves behind for its next tokens: keys and values of every block, and the inputs
// of every causal convolution. It says where they lie; who runs a model computes no addresses.
#pragma once

#include <span>
#include <vector>

#include "infer/model.h"

namespace lathe::infer {

// Keys or values of one head: a row (d_head) a position, one behind the other, in the cache's type.
// Rows up to a whole KvCache::kRowGroup can be read.
struct KvSpan {
  DType dtype;
  const void* data;
};

// One sequence. Belongs to one thread at a time; must not outlive the model it was made for.
// Memory is taken only as far as the sequence grows.
class KvCache {
 public:
  // Room for `capacity` tokens, at most the context length (0: the context length), stored as a
  // type that can be narrowed to.
  explicit KvCache(const Model& model, i64 capacity = 0, DType dtype = DType::kF32);

  // Room for `capacity` tokens, beyond the context length too: for runs with branches.
  static KvCache with_room(const Model& model, i64 capacity, DType dtype = DType::kF32);

  i64 length() const { return length_; }
  i64 capacity() const { return capacity_; }
  DType dtype() const { return dtype_; }
  // Bytes a token takes.
  i64 bytes_per_token() const;

  // Forgets all but the first `length` tokens, at most those that there are.
  void truncate(i64 length);
  // A cache of its own that goes on from the same tokens.
  KvCache fork() const;

  // For a forward pass. New tokens are numbered t = 0, 1, … behind length() until advance(). Blocks
  // go by BlockSpec::layer, convolutions by infer::Project::index.

  // Keys (rotated already) and values of token t, (n_kv_heads, d_head) each.
  void append(i64 layer, i64 t, const float* keys, const float* values);
  // Zeros the values behind the last of n new tokens, up to a whole row group: weight 0 would not
  // hide an infinity that a former sequence has left there.
  void clear_behind(i64 layer, i64 n);
  KvSpan keys(i64 layer, i64 head) const;
  KvSpan values(i64 layer, i64 head) const;

  // The inputs (in) of n new tokens to a convolution.
  void append_inputs(i64 project, i64 n, const float* inputs);
  // The kernel_size inputs that end with that of token t, oldest first; zeros before the text.
  const float* window(i64 project, i64 t) const;

  // After a forward pass has appended all of n tokens.
  void advance(i64 n) { length_ += n; }

  static constexpr i64 kRowGroup = 64;

 private:
  KvCache(i64 capacity, DType dtype) : capacity_(capacity), dtype_(dtype) {}
  void make_room(const Model& model);

  // (n_kv_heads, rows, d_head) each; rows is a multiple of kRowGroup.
  struct Layer {
    i64 n_kv_heads = 0, d_head = 0, rows = 0;
    Buffer keys, values;
    i64 row_bytes(DType dtype) const { return stored_bytes(dtype, d_head); }
    // Bytes before the row of a head.
    i64 at(DType dtype, i64 head, i64 row) const { return (head * rows + row) * row_bytes(dtype); }
  };
  // kernel_size − 1 rows of zeros, then an input (in) a position.
  struct Convolution {
    i64 in = 0, kernel_size = 0;
    Buffer inputs;
  };
  static Layer make_layer(i64 n_kv_heads, i64 d_head, i64 capacity, DType dtype);
  static Convolution make_convolution(i64 in, i64 kernel_size, i64 capacity);
  const Layer& layer(i64 i) const { return layers_[static_cast<size_t>(i)]; }
  const Convolution& convolution(i64 i) const { return convolutions_[static_cast<size_t>(i)]; }

  i64 length_ = 0, capacity_ = 0;
  DType dtype_;
  std::vector<Layer> layers_;              // by BlockSpec::layer
  std::vector<Convolution> convolutions_;  // by infer::Project::index
};

}  // namespace lathe::infer
