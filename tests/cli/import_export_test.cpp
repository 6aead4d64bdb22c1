// lathe import and lathe export, run as programs.
#include <doctest/doctest.h>

#include "cli/model_files.h"
#include "support/shared_data.h"

using namespace lathe;
using namespace lathe::test;

namespace {

std::string text_of(const std::string& model, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"generate", model, "--temperature", "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ProgramResult result = run_lathe(arguments);
  CAPTURE(result.err);
  CHECK(result.status == 0);
  return result.out;
}

}  // namespace

TEST_CASE("export and import: a model goes through every format and says the same") {
  const ModelFiles m;
  const TempDir dir;
  const std::vector<std::string> ask = {"--prompt", "ab", "--max-tokens", "8"};
  const std::string expected = text_of(m.path, ask);
  const struct {
    const char *format, *file;
  } formats[] = {{"hf", "hf"}, {"gguf", "m.gguf"}, {"lathe", "lathe"}};
  for (const auto& [format, file] : formats) {
    CAPTURE(format);
    const ProgramResult out =
        run_lathe({"export", m.path, "--format", format, "--merge", "--out", dir.file(file)});
    CAPTURE(out.err);
    REQUIRE(out.status == 0);
    CHECK(out.out == "");
    std::string back = dir.file(file);
    if (std::string(format) != "lathe") {
      back = dir.file(std::string(format) + ".back");
      const ProgramResult in = run_lathe({"import", dir.file(file), "--out", back});
      CAPTURE(in.err);
      REQUIRE(in.status == 0);
      CHECK(has(in.err, "matrices as f32"));
    }
    CHECK(text_of(back, ask) == expected);
  }
  check_refused(run_lathe({"import", m.path, "--out", dir.file("x")}), 1,
                {"lathe's own model directory already"});
}

TEST_CASE("export and import: what is wrong is one line, and leaves nothing behind") {
  const ModelFiles m;
  const TempDir dir;
  const auto export_as = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"export", m.path, "--out", dir.file("out")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lathe(arguments);
  };
  check_refused(export_as({"--format", "onnx"}), 2, {"onnx"});
  check_refused(export_as({}), 2, {"--format"});
  check_refused(export_as({"--format", "hf", "--type", "q8_0"}), 1, {"q8_0 is a type of GGUF's"});
  check_refused(export_as({"--format", "lathe", "--type", "f16"}), 1, {"f32 or bf16"});
  check_refused(export_as({"--format", "gguf", "--path", "best"}), 1, {"no paths to choose from"});
  check_refused(run_lathe({"export", dir.file("none"), "--format", "hf", "--out", dir.file("o")}),
                1, {"none"});
  write_file(dir.file("there"), "mine");
  check_refused(run_lathe({"export", m.path, "--format", "gguf", "--out", dir.file("there")}), 1,
                {"is there already; --force"});
  CHECK(read_file(dir.file("there")) == "mine");
  check_refused(run_lathe({"import", dir.file("none.gguf"), "--out", dir.file("o")}), 1,
                {"none.gguf"});
  write_file(dir.file("cut.gguf"), std::string("GGUF\3\0\0\0\1", 9));
  check_refused(run_lathe({"import", dir.file("cut.gguf"), "--out", dir.file("o")}), 1,
                {"[gguf]", "cut.gguf", "is the file whole?"});
  check_refused(run_lathe({"import", dir.file("there"), "--out", dir.file("o")}), 1,
                {"no model that lathe reads"});
  CHECK(names_in(dir.path()) == std::vector<std::string>{"cut.gguf", "there"});

  const ModelFiles paths(TopologyKind::kPgpt);
  check_refused(run_lathe({"export", paths.path, "--format", "gguf", "--out", dir.file("o")}), 1,
                {"topology is pgpt; --path best"});
  const ProgramResult full =
      run_with_file_limit(8, {"export", m.path, "--format", "gguf", "--out", dir.file("o.gguf")});
  CHECK(full.status == 1);
  CHECK(names_in(dir.path()) == std::vector<std::string>{"cut.gguf", "there"});
}

TEST_CASE("export --path best: the heaviest path alone says what it says inside its model") {
  for (const Position position : {Position::kRope, Position::kLearned}) {
    CAPTURE(name_of(position));
    ModelFiles m(TopologyKind::kPgpt);
    m.spec.position = position;
    m.weights = random_weights(make_plan(m.spec), 5);
    write_model(m.spec, m.weights, m.path);
    const TempDir dir;
    std::vector<std::string> ask = {"--prompt", "ab", "--max-tokens", "8", "--path", "best"};
    const std::string expected = text_of(m.path, ask);
    ask.resize(4);
    const ProgramResult out = run_lathe(
        {"export", m.path, "--format", "hf", "--path", "best", "--merge", "--out", dir.file("hf")});
    CAPTURE(out.err);
    REQUIRE(out.status == 0);
    CHECK(has(out.err,
              position == Position::kLearned ? "Hugging Face, gpt2" : "Hugging Face, starcoder2"));
    REQUIRE(run_lathe({"import", dir.file("hf"), "--out", dir.file("back")}).status == 0);
    CHECK(text_of(dir.file("back"), ask) == expected);
  }
}

TEST_CASE("import: llama2.c's story model goes on as it does there") {
  const std::string checkpoints = shared_path("data/checkpoints");
  if (checkpoints.empty()) return;
  const TempDir dir;
  check_refused(run_lathe({"import", checkpoints + "/stories260K.bin", "--out", dir.file("m")}), 1,
                {"keeps no tokenizer", "--tokenizer its tokenizer.bin"});
  const ProgramResult in = run_lathe({"import", checkpoints + "/stories260K.bin", "--tokenizer",
                                      checkpoints + "/tok512.bin", "--out", dir.file("m")});
  CAPTURE(in.err);
  REQUIRE(in.status == 0);
  CHECK(has(in.err, "llama2.c, llama, 0.3 M parameters"));
  // What llama2.c prints at temperature 0.
  const std::string expected =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
      "park. "
      "One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
      "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. "
      "She "
      "said, \"I want to play with your ball, but I can't find it.\"\n"
      "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to "
      "do.\"\nLily didn't want to help her mom, so she";
  const std::string found =
      text_of(dir.file("m"), {"--prompt", "Once upon a time", "--echo", "--max-tokens", "190"});
  CHECK(found.substr(0, 380) == expected.substr(0, 380));
}
