#include "train/model_scorer.h"

namespace lathe::train {

namespace {

bool alike(const Request& a, const Request& b) {
  return a.context.size() == b.context.size() && a.continuation.size() == b.continuation.size();
}

}  // namespace

// One forward pass over requests of one shape.
void ModelScorer::score_alike(std::span<const Request> requests, bool want_greedy,
                              std::vector<Score>& scores) {
  const auto rows = static_cast<i64>(requests.size());
  const auto n = static_cast<i64>(requests[0].continuation.size());
  const auto inputs = static_cast<i64>(requests[0].context.size()) + n - 1;
  std::vector<i64> ids;
  for (const Request& request : requests) {
    ids.insert(ids.end(), request.context.begin(), request.context.end());
    ids.insert(ids.end(), request.continuation.begin(), request.continuation.end());
  }
  const at::Tensor all =
      at::from_blob(ids.data(), {rows, inputs + 1}, at::TensorOptions().dtype(at::kLong))
          .to(device_);
  at::NoGradGuard no_grad;
  const at::Tensor h =
      model_.forward(all.narrow(1, 0, inputs).contiguous()).view({rows, inputs, -1});
  for (i64 r = 0; r < rows; ++r) {
    const at::Tensor scored = h[r].narrow(0, inputs - n, n).contiguous();
    const at::Tensor targets = all[r].narrow(0, inputs + 1 - n, n).contiguous();
    Score score;
    score.log_likelihood = -model_.loss_of(scored, targets).item<double>();
    if (want_greedy) {
      score.greedy = model_.logits_of(scored).argmax(1).equal(targets);
    }
    scores.push_back(score);
  }
}

std::vector<Score> ModelScorer::score(std::span<const Request> requests, bool greedy) {
  for (const Request& request : requests) {
    check_request(request, context_length(), plan_.spec.vocab_size);
  }
  std::vector<Score> scores;
  for (size_t from = 0; from < requests.size();) {
    size_t to = from + 1;
    while (to < requests.size() && alike(requests[from], requests[to])) ++to;
    score_alike(requests.subspan(from, to - from), greedy, scores);
    from = to;
  }
  return scores;
}

}  // namespace lathe::train
