#include "infer/sequence.h"

#include <doctest/doctest.h>

#include "infer/forward.h"
#include "infer/loaded.h"

namespace lathe::infer {
namespace {

// Draws n tokens.
void go_on(const Model& model, State& state, Sequence& sequence, int n) {
  for (int i = 0; i < n; ++i) {
    sequence.draw(forward(model, state, sequence.cache, sequence.pending(), LogitRows::kLast));
  }
}

TEST_CASE("sequence: a fork draws what the original draws, and neither disturbs the other") {
  const test::Loaded m = test::load_tiny(test::tiny_spec());
  ThreadPool pool(1);
  State state(pool);
  SamplerOptions options;
  options.temperature = 1;
  Sequence one(*m.model, options, 37);
  one.tokens = {1, 2, 3};
  go_on(*m.model, state, one, 4);
  CHECK(one.tokens.size() == 7);
  CHECK(one.pending().size() == 1);
  Sequence other = one.fork();
  go_on(*m.model, state, one, 5);
  go_on(*m.model, state, other, 5);
  CHECK(one.tokens == other.tokens);
}

TEST_CASE("sequence: cut back, it goes on as one that never went further") {
  const test::Loaded m = test::load_tiny(test::tiny_spec());
  ThreadPool pool(1);
  State state(pool);
  SamplerOptions greedy;
  greedy.temperature = 0;
  Sequence text(*m.model, greedy, 37);
  text.tokens = {1, 2, 3};
  go_on(*m.model, state, text, 6);
  const std::vector<int32_t> whole = text.tokens;
  text.truncate(5);
  CHECK(text.cache.length() == 5);
  text.truncate(4);
  text.tokens.push_back(whole[4]);
  go_on(*m.model, state, text, 4);
  CHECK(text.tokens == whole);
  // Tokens that have not been fed may go too.
  text.truncate(8);
  CHECK(text.pending().empty());
}

}  // namespace
}  // namespace lathe::infer
