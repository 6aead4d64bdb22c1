#include "model/model_spec.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/config_tree.h"

using namespace lathe;

TEST_CASE("fields: a printed model spec parses back to the same spec") {
  ModelSpec spec;
  spec.ffn_linear = {LinearKind::kBlockDense, 256, 2};
  spec.topology.kind = TopologyKind::kCgpt;
  spec.norm = NormKind::kRmsNorm;
  spec.rope_base = 1e6;
  spec.tie_embeddings = false;
  const ModelSpec back = parse_model_spec(parse_toml(print_toml(spec), "test"), "test");
  CHECK(to_json(back).dump() == to_json(spec).dump());
}
