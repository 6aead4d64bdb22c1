#include "run/metrics_log.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/error_text.h"

using lathe::MetricsLog;
using lathe::parse_metrics;
using lathe::test::contains;
using lathe::test::error_text;

namespace {

std::string refusal(const std::string& text) {
  return error_text([&] { parse_metrics(text, "runs/a/metrics.jsonl"); });
}

constexpr const char* kStep1 = "{\"step\":1,\"tokens\":8,\"loss\":5.5,\"flops\":100.0}\n";

}  // namespace

TEST_CASE("metrics: steps and validations come back with their numbers, null and absent as NaN") {
  const MetricsLog log = parse_metrics(
      "{\"step\":1,\"tokens\":8,\"loss\":5.5,\"lr\":0.1,\"grad_norm\":null,\"tokens_per_s\":70.5,"
      "\"peak_share\":0.1,\"flops\":1e12,\"ms\":3}\n"
      "{\"step\":2,\"tokens\":16,\"loss\":null,\"flops\":2e12,\"skipped\":true,\"alpha\":0.75}\n"
      "{\"step\":2,\"val_loss\":4.25,\"val_bits_per_byte\":null}\n",
      "m");
  REQUIRE(log.steps.size() == 2);
  CHECK(log.steps[0].loss == 5.5);
  CHECK(log.steps[0].tokens == 8);
  CHECK(log.steps[0].tokens_per_s == 70.5);
  CHECK(log.steps[0].flops == 1e12);
  CHECK(std::isnan(log.steps[0].alpha));
  CHECK_FALSE(log.steps[0].skipped);
  CHECK(std::isnan(log.steps[1].loss));
  CHECK(std::isnan(log.steps[1].tokens_per_s));
  CHECK(log.steps[1].alpha == 0.75);
  CHECK(log.steps[1].skipped);
  REQUIRE(log.validations.size() == 1);
  CHECK(log.validations[0].loss == 4.25);
  CHECK(std::isnan(log.validations[0].bits_per_byte));
  CHECK_FALSE(log.cut);
}

TEST_CASE("metrics: a last line cut anywhere is left out and said, never an error") {
  const std::string line = "{\"step\":2,\"tokens\":16,\"loss\":5.25}";
  for (size_t length = 1; length < line.size(); ++length) {
    const MetricsLog log = parse_metrics(kStep1 + line.substr(0, length), "m");
    CHECK(log.cut);
    CHECK(log.steps.size() == 1);
  }
  CHECK(parse_metrics(kStep1 + line, "m").steps.size() == 2);  // whole but for its line end
  CHECK_FALSE(parse_metrics("", "m").cut);
}

TEST_CASE("metrics: a damaged line in the middle is refused with file and line") {
  const std::string text = std::string(kStep1) + "{\"step\":2,\"tok\n{\"step\":3,\"loss\":1}\n";
  CHECK(contains(refusal(text), "runs/a/metrics.jsonl: line 2: no JSON object"));
  CHECK(contains(refusal(std::string(kStep1) + "\n"), "line 2: no JSON object"));
  CHECK(contains(refusal("[1]\n"), "line 1: no JSON object"));
}

TEST_CASE("metrics: each check has its message") {
  CHECK(contains(refusal("{\"loss\":1}\n"), "line 1: no 'step'"));
  CHECK(contains(refusal("{\"step\":1.5,\"loss\":1}\n"), "'step' is number, expected a whole"));
  CHECK(contains(refusal("{\"step\":-1,\"loss\":1}\n"), "'step' is -1, expected 0"));
  CHECK(contains(refusal("{\"step\":18446744073709551615,\"loss\":1}\n"), "expected 0"));
  CHECK(contains(refusal("{\"step\":0,\"loss\":1}\n"), "step 0 after step 0"));
  CHECK(contains(refusal("{\"step\":1}\n"), "neither 'loss' nor 'val_loss' nor 'task'"));
  CHECK(contains(refusal("{\"step\":1,\"loss\":\"1\"}\n"), "'loss' is string, expected a number"));
  CHECK(contains(refusal("{\"step\":1,\"loss\":1,\"flops\":-1}\n"), "'flops' is -1"));
  CHECK(contains(refusal("{\"step\":1,\"loss\":1e999}\n"), "line 1: no JSON object"));
  CHECK(contains(refusal("{\"step\":1,\"loss\":1,\"skipped\":1}\n"), "expected true or false"));
  CHECK(contains(refusal(std::string(kStep1) + kStep1), "line 2: step 1 after step 1"));
  CHECK(contains(refusal("{\"step\":4,\"val_loss\":1}\n{\"step\":2,\"val_loss\":1}\n"),
                 "line 2: validation of step 2 after that of step 4"));
}
