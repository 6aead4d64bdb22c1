#include "run/freeze.h"

#include <doctest/doctest.h>

#include "run/run_spec.h"
#include "support/error_text.h"
#include "support/tiny_models.h"

using namespace lathe;
using test::contains;
using test::error_text;

TEST_CASE("freeze: a pattern is the whole name, with any run of characters for a *") {
  const struct {
    const char *name, *pattern;
    bool matches;
  } kRows[] = {
      {"blocks.3.ffn.up.u", "blocks.3.ffn.up.u", true},
      {"blocks.3.ffn.up.u", "blocks.*.ffn.*", true},
      {"blocks.3.ffn.up.u", "*", true},
      {"blocks.3.ffn.up.u", "*.u", true},
      {"blocks.3.ffn.up.u", "*ffn*u*", true},
      {"blocks.3.ffn.up.u", "blocks.3.ffn.up.u*", true},
      {"blocks.3.ffn.up.u", "blocks.3", false},
      {"blocks.3.ffn.up.u", "locks.*", false},
      {"blocks.3.ffn.up.u", "blocks.*.v", false},
      {"blocks.3.ffn.up.u", "blocks.4.*", false},
      {"blocks.3.ffn.up.u", "", false},
      {"aab", "*ab", true},
      {"aaab", "a*aab*", true},
      {"abab", "*ab", true},
      {"ab", "*ab*ab", false},
  };
  for (const auto& row : kRows) {
    CAPTURE(row.name);
    CAPTURE(row.pattern);
    CHECK(matches_pattern(row.name, row.pattern) == row.matches);
  }
  CHECK(is_frozen("norm.weight", {"embedding.*", "norm.*"}));
  CHECK_FALSE(is_frozen("norm.weight", {}));
}

TEST_CASE("freeze: what matches nothing is refused with the nearest that would, as is everything") {
  ModelSpec spec = test::tiny_spec();
  spec.ffn_linear = {LinearKind::kLowRank, 8, 0};
  const Plan plan = make_plan(spec);
  CHECK(error_text([&] { check_freeze({}, plan); }) == "");
  CHECK(error_text([&] { check_freeze({"embedding.*", "blocks.*.attention.*"}, plan); }) == "");
  CHECK(error_text([&] { check_freeze({"blocks.0.ffn.up.guide"}, plan); }) == "");
  const auto refused = [&](const std::string& pattern) {
    return error_text([&] { check_freeze({"norm.*", pattern}, plan); });
  };
  CHECK(contains(refused("blocks.*.atention.*"), "'blocks.*.atention.*' matches no tensor"));
  CHECK(contains(refused("blocks.*.atention.*"), "did you mean 'blocks.*.attention.*'?"));
  CHECK(contains(refused("embeding.*"), "did you mean 'embedding.*'?"));
  CHECK(contains(refused("blocks.2.ffn.upp.u"), "did you mean 'blocks.2.ffn.up.u'?"));
  CHECK(contains(refused("blocks.4.*"), "did you mean 'blocks."));
  CHECK(contains(refused("*"), "leaves none of the"));
  RunSpec run;
  run.model.vocab_size = 257;
  run.freeze = {"hed.weight"};
  CHECK(contains(error_text([&] { run.validate(); }), "freeze: 'hed.weight' matches no tensor"));
}
