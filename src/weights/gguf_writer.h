// Writes GGUF files (version 3), tensor by tensor.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "weights/gguf_config.h"
#include "weights/safetensors.h"

namespace lathe {

// Atomic (base/atomic_file.h). Shapes are row-major, as everywhere here. Numbers are written as
// llama.cpp wants them: u32, f32, and lists of i32 and f32.
class GgufWriter {
 public:
  // Types are among kGgmlTypes; rows are whole blocks. No two tensors, and no two keys, are of one
  // name.
  GgufWriter(const std::string& path, const GgufEntries& entries, std::vector<TensorHead> tensors);
  const std::vector<TensorHead>& order() const { return order_; }
  // The next tensor's bytes, all of them.
  void write(std::span<const std::byte> bytes);
  // After the last one.
  void commit();

 private:
  void pad();

  std::vector<TensorHead> order_;
  size_t next_ = 0;
  AtomicFile file_;
};

}  // namespace lathe
