#include "base/suggest.h"

#include <doctest/doctest.h>

using namespace lathe;

TEST_CASE("suggest: the nearest name is offered, and none where none is near") {
  CHECK(did_you_mean("n_headz", {"n_layers", "n_heads", "d_head"}) == "; did you mean 'n_heads'?");
  CHECK(did_you_mean("vocabulary", {"x", "y"}).empty());
  CHECK(did_you_mean("").empty());
}
