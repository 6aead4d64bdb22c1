// A plan as a trainable model. Walks the plan's stages; knows no topology.
#pragma once

#include <map>

#include "model/plan.h"
#include "train/nn/attention.h"
#include "train/nn/guided_linear.h"
#include "train/nn/loss.h"
#include "train/nn/norm.h"

namespace lathe::train {

class Model {
 public:
  // Borrows `parameters`, which were made from the same plan, `guidance`, null where the model is
  // trained without or no longer with it, and `observer`, null or who sees what goes through
  // linears.
  Model(const Plan& plan, Parameters& parameters, bool recompute, Guidance* guidance = nullptr,
        LinearObserver* observer = nullptr);

  // tokens (B, T) i64 on the parameters' device, T ≤ context_length → the final norm's output
  // (B·T, D) in the compute dtype.
  at::Tensor forward(const at::Tensor& tokens) const;

  // Logits (N, V) f32 of rows (N, D) of forward(), without gradients.
  at::Tensor logits_of(const at::Tensor& h) const;
  // Those of every position, (B·T, V).
  at::Tensor logits(const at::Tensor& tokens) const;

  // Summed loss (nats, f32 scalar on the device) of predicting targets (N) from rows (N, D) of
  // forward(), without gradients.
  at::Tensor loss_of(const at::Tensor& h, const at::Tensor& targets) const;
  // That of every position, targets (B, T).
  at::Tensor loss(const at::Tensor& tokens, const at::Tensor& targets) const;

  // The same, and adds the gradient of scale · loss to every Parameter::grad; a training pass for
  // the draws of stochastic guidance.
  at::Tensor loss_and_grad(const at::Tensor& tokens, const at::Tensor& targets, double scale);
  // The same with the loss of `teacher`, whose h is of these tokens: {cross-entropy, KL}.
  std::pair<at::Tensor, at::Tensor> distil_and_grad(const at::Tensor& tokens,
                                                    const at::Tensor& targets, double scale,
                                                    const Distillation& teacher);

  // Pieces, for training block by block. The residual stream (B·T, D) f32 before the first block,
  // and behind a block given what came before it.
  at::Tensor embedded(const at::Tensor& tokens) const;
  at::Tensor block_output(i64 layer, const at::Tensor& x, i64 n_sequences) const;

  const Plan& plan() const { return plan_; }
  const Parameter& head() const { return *head_; }
  Guidance* guidance() const { return guidance_; }

 private:
  struct Block {
    const BlockSpec* spec;
    Norm norm_1, norm_2;
    std::optional<Norm> q_norm, k_norm;
    GuidedLinear qkv, out, up, down;
    const RopeTables* rope;
  };
  // The residual stream (f32) and what is still to be added to it (compute dtype or undefined): the
  // next norm adds it on its way.
  struct Stream {
    at::Tensor residual, delta;
  };
  Block make_block(const BlockSpec& spec);
  // qkv (N, (H + 2K)·E) with the heads of q and k normed, where the block norms them.
  at::Tensor normed_heads(const Block& block, const at::Tensor& qkv) const;
  Stream run_block(const Block& block, Stream stream, i64 n_sequences) const;
  Stream run_blocks(const std::vector<BlockSpec>& blocks, Stream stream, i64 n_sequences) const;
  Stream run_recomputed(const Block& block, Stream stream, i64 n_sequences) const;
  at::Tensor embed(const EmbedStage& stage, const at::Tensor& tokens) const;
  at::Tensor project(const ProjectStage& stage, const at::Tensor& x, i64 n_sequences) const;
  at::Tensor fork(const ForkStage& stage, const at::Tensor& x, i64 n_sequences) const;

  const Plan& plan_;
  Parameters& parameters_;
  bool recompute_;
  Guidance* guidance_;
  LinearObserver* observer_;
  std::map<i64, Block> blocks_;            // by layer
  std::map<std::string, Linear> entries_;  // of paths, by name
  std::map<i64, RopeTables> rope_;         // by d_head
  Norm final_norm_;
  // What recomputation has still to run again; held until the backward is done.
  mutable std::vector<std::shared_ptr<void>> pending_;
  Parameter* head_ = nullptr;
};

}  // namespace lathe::train
