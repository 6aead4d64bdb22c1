// Run files and trainer.json: what is taken is in range, and says the same when written and read
// again.
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "run/run_spec.h"
#include "run/trainer_state.h"

using namespace lathe;

namespace {

void check_run(std::string_view text) {
  try {
    const RunSpec run = parse_run_spec(parse_toml(text, "fuzz"), "/nonexistent", "fuzz");
    FUZZ_CHECK(run.steps >= 1);
    const Phases phases = phases_of(run);
    FUZZ_CHECK(0 <= phases.guided && phases.guided <= phases.steps);
    FUZZ_CHECK(phases.steps <= phases.total && phases.total <= 2 * phases.steps);
    FUZZ_CHECK(write_fields(parse_run_spec(parse_toml(print_toml(run), "again"), "", "again")) ==
               write_fields(run));
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
}

void check_state(std::string_view text) {
  try {
    const TrainerState state = parse_trainer_state(text, "fuzz");
    FUZZ_CHECK(state.step >= 0 && state.best_step >= -1);
    parse_trainer_state(write_fields(state).dump(), "again");
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check_run(text);
  check_state(text);
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {
      "steps = 20\nseed = 3\n[model]\npreset = \"gpt2-s-lowrank32\"\n[data]\npath = \"d\"\n"
      "[self_guided]\nmode = \"fixed_flops\"\nalpha_end = 0.25\nhandoff = \"reproject\"\n",
      "tokens = 1000000\ninit = \"spectral\"\n[model]\nd_model = 64\nn_heads = 4\nd_head = 16\n"
      "n_kv_heads = 4\nd_ff = 128\nffn_linear = { kind = \"block_shuffle\", n_blocks = 4 }\n"
      "[optimizer]\nkind = \"spectron\"\nbetas = [0.9, 0.99]\n[schedule]\nkind = \"wsd\"\n",
      "flops = 1e13\n[self_guided]\nmode = \"fixed_steps\"\nshare = 0.3\nstochastic = "
      "\"unbiased\"\n[model]\npreset = \"gpt2-s-blockshuffle32\"\n",
      R"({"step":5,"tokens":80,"skipped":0,"skipped_in_row":0,"flops":1e9,"seconds":2.5,)"
      R"("best_loss":3.5,"best_step":4,"last_val_loss":3.6,"last_eval_step":4,"data":"1x2-3"})",
  };
}
