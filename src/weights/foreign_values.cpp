#include "weights/foreign_values.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/suggest.h"
#include "weights/number_formats.h"

namespace lathe {

namespace {

// Buffers of the original programs, which hold no weights.
constexpr std::string_view kBuffers[] = {".attn.bias",           ".attn.masked_bias",
                                         ".attention.bias",      ".attention.masked_bias",
                                         ".rotary_emb.inv_freq", "rope_freqs.weight"};

class ForeignReader {
 public:
  ForeignReader(const FamilyRow& family, Container container, const Plan& plan,
                std::shared_ptr<const WeightSource> source)
      : source_(std::move(source)) {
    std::set<std::string> used;
    for (ForeignTensor& t : foreign_tensors(family, container, plan)) {
      if (!t.present) continue;
      const TensorView& view = find(t.name);
      check(t, view);
      used.insert(view.name);
      if (t.is_matrix && view.dtype != DType::kBf16) natural_ = DType::kF32;
      parts_[t.ours.name].push_back({std::move(t), &view});
    }
    for (const TensorView& view : source_->tensors()) {
      if (!used.contains(view.name)) check_unused(view.name, family, container, plan, used);
    }
  }

  DType natural() const { return natural_; }

  std::vector<float> read(const TensorInfo& info) const {
    std::vector<float> values(static_cast<size_t>(info.numel()));
    std::vector<float> theirs;
    for (const auto& [t, view] : parts_.at(info.name)) {
      theirs.resize(static_cast<size_t>(view->numel()));
      to_f32(view->dtype, view->bytes.data(), view->numel(), theirs.data());
      const i64 n = static_cast<i64>(t.rows.size()), cols = t.columns;
      for (i64 r = 0; r < n; ++r) {
        float* to = values.data() + t.rows[static_cast<size_t>(r)] * cols;
        for (i64 c = 0; c < cols; ++c) {
          to[c] = theirs[static_cast<size_t>(t.transposed ? c * n + r : r * cols + c)];
        }
      }
    }
    return values;
  }

 private:
  struct Part {
    ForeignTensor tensor;
    const TensorView* view;
  };

  // Some write the model without the program's own name in front.
  const TensorView& find(const std::string& name) const {
    const TensorView* found = source_->find(name);
    if (!found) found = source_->find(name.substr(name.find('.') + 1));
    return found ? *found : source_->get(name);
  }

  void check(const ForeignTensor& t, const TensorView& view) const {
    if (!holds_weights(view.dtype)) {
      fail("[import] {}: tensor '{}' is {}, which no weights are", source_->where(), view.name,
           describe_tensor(view.dtype, view.shape));
    }
    if (view.shape != t.shape()) {
      fail("[import] {}: tensor '{}' is {}, the config asks for {}", source_->where(), view.name,
           describe_tensor(view.dtype, view.shape), describe_tensor(view.dtype, t.shape()));
    }
  }

  void check_unused(const std::string& name, const FamilyRow& family, Container container,
                    const Plan& plan, const std::set<std::string>& used) const {
    for (const std::string_view buffer : kBuffers) {
      if (name.ends_with(buffer)) return;
    }
    const auto modules =
        container == Container::kHuggingFace ? family.hf_modules : family.gguf_modules;
    for (const ModuleName& m : modules) {
      const bool tied_head = plan.spec.tie_embeddings && m.ours == "head";
      if (tied_head && name == std::string(m.theirs) + ".weight") return;
    }
    fail("[import] {}: tensor '{}' is not in the model that the config describes{}",
         source_->where(), name, did_you_mean(name, {used.begin(), used.end()}));
  }

  std::shared_ptr<const WeightSource> source_;
  std::map<std::string, std::vector<Part>> parts_;  // by the name of ours
  DType natural_ = DType::kBf16;
};

}  // namespace

ModelValues foreign_values(const FamilyRow& family, Container container, const Plan& plan,
                           std::shared_ptr<const WeightSource> source) {
  const auto reader =
      std::make_shared<const ForeignReader>(family, container, plan, std::move(source));
  return {plan, [reader](const TensorInfo& info) { return reader->read(info); }, reader->natural()};
}

std::vector<float> to_foreign(const ForeignTensor& t, const ModelValues& model) {
  const i64 n = static_cast<i64>(t.rows.size()), cols = t.columns;
  std::vector<float> theirs(static_cast<size_t>(n * cols), 0.0f);
  if (!t.present) return theirs;
  const std::vector<float> values = model.read(t.ours);
  for (i64 r = 0; r < n; ++r) {
    const float* from = values.data() + t.rows[static_cast<size_t>(r)] * cols;
    for (i64 c = 0; c < cols; ++c) {
      theirs[static_cast<size_t>(t.transposed ? c * n + r : r * cols + c)] = from[c];
    }
  }
  return theirs;
}

}  // namespace lathe
