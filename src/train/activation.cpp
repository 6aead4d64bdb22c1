#include "train/activation.h"

namespace lathe {

at::Tensor activate(const at::Tensor& u, Activation activation) {
  switch (activation) {
    case Activation::kGeluTanh: return at::gelu(u, "tanh");
    case Activation::kGelu: return at::gelu(u);
    case Activation::kSwiglu: {
      const auto halves = u.chunk(2, 1);
      return at::silu(halves[0]) * halves[1];
    }
  }
  return u;
}

}  // namespace lathe
