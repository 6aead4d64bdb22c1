// Model specs and overrides, up to the plan and its counts. Input: JSON, then an override a line.
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/config_tree.h"
#include "fuzz/fuzz.h"
#include "model/counts.h"
#include "model/presets.h"
#include "model/tensor_list.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    std::istringstream lines{std::string(fuzz::as_text(data, size))};
    std::string line;
    std::getline(lines, line);
    Json tree = parse_json(line, "fuzz");
    while (std::getline(lines, line)) apply_override(tree, line);
    const ModelSpec spec = parse_model_spec(tree, "fuzz");
    FUZZ_CHECK(to_json(parse_model_spec(to_json(spec), "fuzz")) == to_json(spec));
    const ModelSpec printed = parse_model_spec(parse_toml(print_toml(spec), "fuzz"), "fuzz");
    FUZZ_CHECK(to_json(printed) == to_json(spec));

    const Plan plan = make_plan(spec);
    const ParamCount params = count_params(plan);
    FUZZ_CHECK(params.total > 0);
    FUZZ_CHECK(params.ffn + params.attention + params.embedding + params.head + params.other ==
               params.total);
    for (const TensorInfo& t : tensor_list(plan)) FUZZ_CHECK(t.numel() > 0);
    FUZZ_CHECK(forward_flops_per_token(plan, spec.context_length) > 0);
    FUZZ_CHECK(count_bytes(plan).weights_per_token > 0);
    FUZZ_CHECK(guide_weights(plan) >= 0);
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  std::vector<std::string> list;
  for (const char* preset : {"gpt2-s-lowrank32", "gpt2-m-blockdense63", "gpt2-s-blockshuffle32",
                             "wide-structured-m", "pgpt-124m", "lgpt-124m", "cgpt-124m"}) {
    list.push_back(preset_spec(preset).dump() + "\nd_model=1536\nffn_linear.kind=dense");
  }
  list.push_back("{}\ntopology.kind=pgpt\ntopology.n_paths=3\nactivation=swiglu\nrope_base=1e6");
  list.push_back(
      "{}\ndense_ffn_layers=[]\nffn_linear={kind = \"block_dense\", rank = 256}\n"
      "ffn_linear.n_blocks=2\ntokenizer=\"bytes\"");
  return list;
}
