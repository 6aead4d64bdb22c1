// Sequences shorter than the model's context.
#include <doctest/doctest.h>

#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;

TEST_CASE(
    "a model trained on sequences of 16 of its 32 positions is one of 16 positions, bit for bit") {
  const test::TempDir folder;
  prepare(folder.file("data"), small_text(6000), 2000);
  const std::string run = write_run(folder.path());
  const auto trained = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), {"--set", "steps=6", "--set", "checkpoint_every=6"});
    const auto result = test::run_program(
        train_command(run, folder.file(name), folder.file("data"), std::move(more)));
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return read_text_file(folder.file(name) + "/checkpoints/step-6/model.safetensors");
  };
  const std::string whole = trained("whole", {});
  CHECK(trained("part", {"--set", "model.context_length=32", "--set", "data.sequence_length=16"}) ==
        whole);
  const Json config =
      Json::parse(read_text_file(folder.file("part") + "/checkpoints/step-6/config.json"));
  CHECK(config["context_length"] == 32);

  const auto refused = test::run_program(train_command(
      run, folder.file("long"), folder.file("data"), {"--set", "data.sequence_length=17"}));
  CHECK(refused.status == 1);
  CHECK(refused.err.find("data.sequence_length 17 is more than model.context_length 16") !=
        std::string::npos);
}
