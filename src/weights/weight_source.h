// The one way to weights, whatever holds them: views of tensors by name, and the check that they
// are those of a plan.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/dtype.h"
#include "model/tensor_list.h"

namespace lathe {

// A tensor as it is stored. `bytes` is borrowed from its source: row-major, little-endian, aligned
// only as far as the container aligns it.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  std::span<const std::byte> bytes;
  i64 numel() const;
};

// "f32 (768, 3072)", for messages.
std::string describe_tensor(DType dtype, std::span<const i64> shape);

// Tensors by name. Const after construction; may be read from many threads. A container of its own
// derives from it and keeps what the views point into alive, mapped where it can be.
class WeightSource {
 public:
  // `where` names the source in errors. No two tensors have one name.
  WeightSource(std::string where, std::vector<TensorView> tensors);
  virtual ~WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;

  // The tensor; get() throws Error with the nearest name there is, find() returns null.
  const TensorView& get(const std::string& name) const;
  const TensorView* find(const std::string& name) const;

  // Brings what is mapped into memory now, rather than page by page when it is first used.
  virtual void read_ahead() const {}

  const std::vector<TensorView>& tensors() const { return tensors_; }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, size_t> by_name_;
};

// Error, naming the source and the tensor, unless it has exactly the tensors of `wanted`, each of
// its shape and one of `types`.
void check_weights(const WeightSource& source, const std::vector<TensorInfo>& wanted,
                   std::span<const DType> types);

}  // namespace lathe
