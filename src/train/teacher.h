// The model that a smaller one is trained from: what the run file's teacher.model names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "text/tokenizer.h"
#include "train/nn/guidance.h"
#include "train/nn/model.h"
#include "weights/model_directory.h"

namespace lathe::train {

// Opens run.teacher.model. Error where it has another vocabulary than run.model, a shorter context,
// or another tokenizer than the data; for teacher.mode = blocks also where the two models' blocks
// are not one beside the other.
ModelDirectory open_teacher(const RunSpec& run, const Tokenizer& tokenizer,
                            const std::function<void(const std::string&)>& say);

// Each matrix of the guide becomes the teacher's linear of the same name, merged where that is a
// structured one. Error where the teacher has none of its shape.
void start_guide_from(Guidance& guidance, const ModelDirectory& teacher);

// A model that only runs: frozen, without gradients, its weights in the compute dtype.
class Teacher {
 public:
  Teacher(const ModelDirectory& directory, at::Device device, Precision precision);

  // Its final norm's output of tokens (B, T), (B·T, D) in the compute dtype, without a graph.
  at::Tensor forward(const at::Tensor& tokens) const;
  const Model& model() const { return model_; }
  const Plan& plan() const { return plan_; }
  // Of its weights as they lie in the file.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  Plan plan_;
  std::unique_ptr<Parameters> parameters_;
  Model model_;
  std::string fingerprint_;
};

}  // namespace lathe::train
