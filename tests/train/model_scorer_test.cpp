// A model in training as a Scorer, against log-softmax of its own logits, one request at a time.
#include "train/model_scorer.h"

#include <doctest/doctest.h>

#include "support/error_text.h"
#include "support/tiny_models.h"
#include "train/nn/init.h"

using namespace lathe;
using namespace lathe::train;

namespace {

struct Tiny {
  explicit Tiny(const ModelSpec& spec)
      : plan(make_plan(spec)), parameters(plan, at::kCPU, Precision::kF32) {
    initialise(parameters, 5, InitKind::kPaper);
    model.emplace(plan, parameters, false);
  }
  Plan plan;
  Parameters parameters;
  std::optional<Model> model;
};

// Σ ln p of the continuation, and whether each of its tokens is the most likely, by all logits.
Score slow_score(const Tiny& tiny, const Request& request) {
  std::vector<i64> ids(request.context.begin(), request.context.end());
  ids.insert(ids.end(), request.continuation.begin(), request.continuation.end());
  const at::Tensor all = at::tensor(ids, at::kLong);
  const at::Tensor logits =
      tiny.model->logits(all.narrow(0, 0, all.size(0) - 1).view({1, -1})).to(at::kDouble);
  const at::Tensor log_probs = logits.log_softmax(1);
  Score score{0, true};
  for (size_t i = request.context.size(); i < ids.size(); ++i) {
    const at::Tensor row = log_probs[static_cast<i64>(i) - 1];
    score.log_likelihood += row[ids[i]].item<double>();
    score.greedy &= row.argmax().item<i64>() == ids[i];
  }
  return score;
}

}  // namespace

TEST_CASE("model scorer: equals log-softmax of all logits, whatever requests go together") {
  for (const test::NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Tiny tiny(s.spec);
    const Request requests[] = {{{1, 2, 3}, {4, 5}},
                                {{3, 2, 1}, {7, 6}},
                                {{5}, {6, 7, 8}},
                                {{3, 2, 1}, {9, 9}},
                                {{1, 2, 3}, {4}}};
    ModelScorer scorer(*tiny.model, tiny.plan, at::kCPU);
    const auto together = scorer.score(requests, true);
    REQUIRE(together.size() == std::size(requests));
    for (size_t i = 0; i < together.size(); ++i) {
      const Score want = slow_score(tiny, requests[i]);
      const Score alone = scorer.score(std::span(&requests[i], 1), true)[0];
      CHECK(together[i].log_likelihood == doctest::Approx(want.log_likelihood).epsilon(1e-5));
      CHECK(alone.log_likelihood == doctest::Approx(want.log_likelihood).epsilon(1e-5));
      CHECK(together[i].greedy == want.greedy);
    }
  }
}

TEST_CASE("model scorer: knows the most likely tokens, and refuses what the model cannot take") {
  const Tiny tiny(test::tiny_spec());
  ModelScorer scorer(*tiny.model, tiny.plan, at::kCPU);
  Request request{{1, 2, 3}, {}};
  for (int i = 0; i < 3; ++i) {
    std::vector<i64> ids(request.context.begin(), request.context.end());
    ids.insert(ids.end(), request.continuation.begin(), request.continuation.end());
    const at::Tensor logits = tiny.model->logits(at::tensor(ids, at::kLong).view({1, -1}));
    request.continuation.push_back(static_cast<int32_t>(logits[-1].argmax().item<i64>()));
  }
  CHECK(scorer.score(std::span(&request, 1), true)[0].greedy);
  request.continuation[1] = (request.continuation[1] + 1) % 37;
  CHECK_FALSE(scorer.score(std::span(&request, 1), true)[0].greedy);
  request.continuation[1] = 37;
  CHECK(test::contains(test::error_text([&] { scorer.score(std::span(&request, 1), false); }),
                       "outside the vocabulary of 37"));
}
