#include "infer/engine.h"

#include <doctest/doctest.h>

#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"

namespace lathe::infer {
namespace {

TEST_CASE("engine: the tokenizer is the one that the config names, or the one that is given") {
  const test::TempDir dir;
  ModelSpec spec = test::tiny_spec();
  spec.vocab_size = 257;
  test::TinyWeights weights = test::random_weights(make_plan(spec), 7);
  test::write_model(spec, weights, dir.path());
  const Engine engine(dir.path(), "", 1);
  CHECK(engine.tokenizer->kind() == "bytes");
  CHECK(engine.pool.size() == 1);
  CHECK(test::contains(test::error_text([&] { Engine(dir.path(), "/no/tokenizer.json", 1); }),
                       "'/no/tokenizer.json' does not exist"));
}

TEST_CASE("engine: a tokenizer with more ids than the model is of another vocabulary") {
  const test::TempDir dir;
  ModelSpec spec = test::tiny_spec();  // 37 ids
  test::TinyWeights weights = test::random_weights(make_plan(spec), 7);
  test::write_model(spec, weights, dir.path());
  CHECK(test::contains(test::error_text([&] { Engine(dir.path(), "", 1); }),
                       "tokenizer of another vocabulary"));
}

}  // namespace
}  // namespace lathe::infer
