// The weights of a model on a device: fp32 masters, gradients and, under bf16, the copy that the
// matrix products read. All of one sort live in one flat buffer, so that clipping, zeroing, casting
// and reducing over processes are one operation each.
#pragma once

#include <map>
#include <memory>

#include "model/tensor_list.h"
#include "run/run_spec.h"
#include "train/torch.h"

namespace lathe::train {

struct Parameter {
  TensorInfo info;
  at::Tensor value;    // f32 master
  at::Tensor grad;     // f32, added to by every backward
  at::Tensor compute;  // in the compute dtype: value itself under f32, a bf16 copy else
  i64 offset = 0;      // in the flat buffers, in elements
  bool frozen =
      false;  // stays as it is: no gradient is wanted, and what is in `grad` means nothing
};

class Parameters;

// The two factors of one structured linear. Borrows from a Parameters.
struct FactorPair {
  LinearSpec spec;
  Parameter *v, *u;
};
// Those of the linear `part`, "blocks.0.ffn.up", which is a structured one.
FactorPair factor_pair(Parameters& parameters, const std::string& part, const LinearSpec& spec);
// Every pair, in the order of the parameters.
std::vector<FactorPair> factor_pairs(Parameters& parameters);

class Parameters {
 public:
  // Zero-filled; see init.h.
  Parameters(const std::vector<TensorInfo>& tensors, at::Device device, Precision precision);
  Parameters(const Plan& plan, at::Device device, Precision precision)
      : Parameters(tensor_list(plan), device, precision) {}
  // The weights of a model that only runs: without gradients, and without masters of what a pass
  // reads in the compute dtype alone (`value` is undefined there). All of them are frozen.
  static std::unique_ptr<Parameters> fixed(const Plan& plan, at::Device device,
                                           Precision precision);
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  // The parameter of that name, null where the plan has none (a missing bias).
  Parameter* find(const std::string& name);
  Parameter& get(const std::string& name);
  std::vector<Parameter>& list() { return list_; }
  const std::vector<Parameter>& list() const { return list_; }

  // Freezes those whose names match a pattern (run/freeze.h).
  void freeze(const std::vector<std::string>& patterns);
  // Call when all gradients are there: those of frozen ones are 0 from here on.
  void clear_frozen_grad();

  // Call after the masters changed: brings the compute copies up to date.
  void refresh_compute();
  // The compute copies of everything, laid out as flat_value; flat_value itself under f32.
  const at::Tensor& flat_compute() const { return flat_compute_; }
  void zero_grad() { flat_grad.zero_(); }

  // Flat f32 buffers (empty where fixed); matrices (TensorInfo::matrix) come first, in [0,
  // matrix_numel). Padding between tensors is zero and stays zero.
  at::Tensor flat_value, flat_grad;
  i64 matrix_numel = 0;
  at::ScalarType compute_dtype;

 private:
  Parameters(const std::vector<TensorInfo>& tensors, Precision precision);  // without memory
  std::vector<Parameter> list_;
  std::map<std::string, size_t> by_name_;
  at::Tensor flat_compute_;
};

}  // namespace lathe::train
