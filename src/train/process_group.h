// The processes that train one model together. The trainer reduces and decides through it, so that
// all of them take the same steps.
#pragma once

#include <memory>

#include "train/torch.h"

namespace lathe::train {

// Calls are collective: every process of the group makes the same ones in the same order.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;  // 0 … size() - 1
  virtual int size() const = 0;
  // Adds up a tensor over all processes, in place: the same bits in each.
  virtual void sum(const at::Tensor& tensor) = 0;
  // Whether any process says so.
  virtual bool any(bool mine) = 0;
};

// A group of this process alone.
std::unique_ptr<ProcessGroup> single_process();

}  // namespace lathe::train
