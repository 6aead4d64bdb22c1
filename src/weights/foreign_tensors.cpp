#include "weights/foreign_tensors.h"

#include <numeric>

#include "base/error.h"

namespace lathe {

namespace {

// Theirs → ours, of the numbers of one head that rotates.
std::vector<i64> head_order(const BlockSpec& b, bool interleaved) {
  const i64 E = b.d_head, half = E / 2;
  std::vector<i64> order(static_cast<size_t>(E));
  const i64 turning = b.rope && b.rope->dims > 0 ? b.rope->dims / 2 : half;
  for (i64 i = 0; i < E; ++i) {
    i64 ours = i;
    if (b.rope && interleaved) {
      ours = i / 2 + i % 2 * half;
    } else if (b.rope && turning < half) {
      // Theirs: [first of the pairs | second of the pairs | what does not turn].
      const i64 still = i - 2 * turning;
      if (i < turning)
        ours = i;
      else if (i < 2 * turning)
        ours = half + i - turning;
      else
        ours = still < half - turning ? turning + still : half + turning + still - (half - turning);
    }
    order[static_cast<size_t>(i)] = ours;
  }
  return order;
}

class Rows {
 public:
  Rows(const BlockSpec& b, bool interleaved) : b_(b), order_(head_order(b, interleaved)) {}

  std::vector<i64> of(Piece piece, i64 all) {
    const i64 q = b_.n_heads, k = b_.n_kv_heads;
    switch (piece) {
      case Piece::kWhole:
        range(0, all);
        break;
      case Piece::kQ:
        heads(0, q, true);
        break;
      case Piece::kK:
        heads(q, k, true);
        break;
      case Piece::kV:
        heads(q + k, k, false);
        break;
      case Piece::kGateRows:
        range(0, all / 2);
        break;
      case Piece::kValueRows:
        range(all / 2, all / 2);
        break;
      case Piece::kHeadwiseQkv:
        for (i64 h = 0; h < q; ++h) {
          heads(h, 1, true);
          heads(q + h, 1, true);
          heads(2 * q + h, 1, false);
        }
        break;
    }
    return std::move(rows_);
  }
  // The whole of qkv where heads are in another order.
  std::vector<i64> qkv() {
    heads(0, b_.n_heads + b_.n_kv_heads, true);
    heads(b_.n_heads + b_.n_kv_heads, b_.n_kv_heads, false);
    return std::move(rows_);
  }
  std::vector<i64> head() { return order_; }

 private:
  void range(i64 first, i64 n) {
    for (i64 i = 0; i < n; ++i) rows_.push_back(first + i);
  }
  void heads(i64 first, i64 n, bool turns) {
    for (i64 h = first; h < first + n; ++h) {
      for (i64 e = 0; e < b_.d_head; ++e) {
        rows_.push_back(h * b_.d_head + (turns ? order_[static_cast<size_t>(e)] : e));
      }
    }
  }
  const BlockSpec& b_;
  std::vector<i64> order_, rows_;
};

std::string with_number(std::string_view pattern, i64 layer) {
  std::string text(pattern);
  const size_t at = text.find("{}");
  if (at != std::string::npos) text.replace(at, 2, std::to_string(layer));
  return text;
}

class ForeignLister {
 public:
  ForeignLister(const FamilyRow& row, Container container)
      : row_(row),
        hf_(container == Container::kHuggingFace),
        modules_(hf_ ? row.hf_modules : row.gguf_modules) {}

  // The tensors that stand for `leaf` (weight, bias) of one of our modules, which is within block
  // `b` where that is given; `present`: the model has it.
  void add(std::string_view module, std::string_view leaf, const TensorInfo& ours, bool present,
           const BlockSpec* b) {
    for (const ModuleName& m : modules_) {
      if (m.ours != module || (m.theirs.find("{}") != m.theirs.npos) != (b != nullptr)) continue;
      ForeignTensor t;
      t.name = with_number(m.theirs, b ? b->layer : 0) + "." + std::string(leaf);
      t.ours = ours;
      t.present = present;
      t.is_matrix = ours.shape.size() > 1;
      t.columns = t.is_matrix ? ours.shape[1] : 1;
      t.transposed = hf_ && row_.hf_transposed && t.is_matrix && b;
      t.rows = rows(module, m.piece, ours.shape[0], b);
      list.push_back(std::move(t));
    }
  }

  std::vector<ForeignTensor> list;

 private:
  std::vector<i64> rows(std::string_view module, Piece piece, i64 all, const BlockSpec* b) const {
    if (!b) {
      std::vector<i64> every(static_cast<size_t>(all));
      std::iota(every.begin(), every.end(), i64{0});
      return every;
    }
    Rows rows(*b, !hf_ && row_.gguf_interleaved);
    if (module == kQNorm || module == kKNorm) return rows.head();
    if (module == kBlockLinearParts[0] && piece == Piece::kWhole) return rows.qkv();
    return rows.of(piece, all);
  }

  const FamilyRow& row_;
  bool hf_;
  std::span<const ModuleName> modules_;
};

TensorInfo absent_bias(const std::string& part, i64 width) {
  TensorInfo info;
  info.name = tensor_name(part, "bias");
  info.shape = {width};
  return info;
}

// Biases that the files have and the model has not.
void add_absent(ForeignLister& lister, const FamilyRow& row, const Plan& plan) {
  for (const BlockSpec* b : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (l.spec->bias || !file_has_bias(row, *b, l)) continue;
      lister.add(l.part, "bias", absent_bias(l.name, l.spec->out), false, b);
    }
    if (b->norm_1.bias || !row.norm_bias) continue;
    for (const char* norm : {kNorm1, kNorm2}) {
      lister.add(norm, "bias", absent_bias(tensor_name(b->name, norm), b->d_model), false, b);
    }
  }
  if (row.norm_bias && !(plan.spec.norm_bias && is_centred(plan.spec.norm))) {
    lister.add(kFinalNorm, "bias", absent_bias(kFinalNorm, plan.spec.d_model), false, nullptr);
  }
}

}  // namespace

std::vector<i64> ForeignTensor::shape() const {
  const i64 n = static_cast<i64>(rows.size());
  if (!is_matrix) return {n};
  return transposed ? std::vector<i64>{columns, n} : std::vector<i64>{n, columns};
}

std::vector<ForeignTensor> foreign_tensors(const FamilyRow& row, Container container,
                                           const Plan& plan) {
  ForeignLister lister(row, container);
  const std::vector<const BlockSpec*> blocks = all_blocks(plan);
  for (const TensorInfo& info : tensor_list(plan)) {
    const size_t dot = info.name.rfind('.');
    std::string module = info.name.substr(0, dot);
    const BlockSpec* block = nullptr;
    for (const BlockSpec* b : blocks) {
      if (!module.starts_with(b->name + ".")) continue;
      block = b;
      module.erase(0, b->name.size() + 1);
      break;
    }
    const size_t before = lister.list.size();
    lister.add(module, info.name.substr(dot + 1), info, true, block);
    LATHE_CHECK(lister.list.size() > before);  // why_not has said so
  }
  add_absent(lister, row, plan);
  return std::move(lister.list);
}

}  // namespace lathe
