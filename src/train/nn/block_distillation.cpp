#include "train/nn/block_distillation.h"

#include <torch/csrc/autograd/autograd.h>

namespace lathe::train {

at::Tensor block_losses(const at::Tensor& out, const at::Tensor& wanted) {
  return (out - wanted).abs().mean(1) - at::log_sigmoid(at::cosine_similarity(out, wanted, 1));
}

at::Tensor distil_blocks(const Model& student, const Model& teacher, const at::Tensor& tokens,
                         double scale) {
  const TrainingPass pass(student.guidance());
  const i64 n = tokens.size(0);
  const std::vector<const BlockSpec*> blocks = all_blocks(student.plan());
  at::Tensor theirs, ours;
  {
    at::NoGradGuard no_grad;
    theirs = teacher.embedded(tokens);
    ours = student.embedded(tokens);
  }
  at::Tensor sum = at::zeros({}, theirs.options());
  for (const BlockSpec* block : blocks) {
    at::Tensor wanted;
    {
      at::NoGradGuard no_grad;
      wanted = teacher.block_output(block->layer, theirs, n);
    }
    // What the block makes of `x`, its loss added and its gradient taken.
    const auto learn = [&](const at::Tensor& x) {
      const at::Tensor out = student.block_output(block->layer, x.detach().requires_grad_(), n);
      const at::Tensor losses = block_losses(out, wanted);
      torch::autograd::backward({losses}, {at::full_like(losses, scale)});
      sum += losses.detach().sum();
      return out.detach();
    };
    learn(theirs);
    ours = learn(ours);
    theirs = wanted;
  }
  return sum / static_cast<double>(blocks.size());
}

}  // namespace lathe::train
