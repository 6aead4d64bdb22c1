#include "run/spec_source.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;

namespace {

Json json(const std::string& text) { return Json::parse(text); }

}  // namespace

TEST_CASE("model spec: found by preset, spec file, run file and model directory") {
  const test::TempDir folder;
  ModelSpec spec;
  spec.d_ff = 48;
  const std::string text = to_json(spec).dump();
  write_file_atomically(folder.file("config.json"), text);
  write_file_atomically(folder.file("spec.json"), text);
  write_file_atomically(folder.file("run.toml"),
                        "steps = 3\n[model]\nspec = \"spec.json\"\nd_ff = 96\n");
  write_file_atomically(folder.file("preset.toml"), "[model]\npreset = \"gpt2-s\"\nd_ff = 96\n");
  write_file_atomically(folder.file("from.toml"),
                        "[model]\ninit_from = \"" + folder.path() + "\"\n");
  write_file_atomically(folder.file("two.toml"), "[model]\npreset = \"gpt2-s\"\nspec = \"x\"\n");
  write_file_atomically(folder.file("list.json"), "[1]");
  const auto d_ff = [](const std::string& source) { return load_model_spec(source, {}).d_ff; };
  CHECK(d_ff("gpt2-s") == 3072);
  CHECK(d_ff(folder.path()) == 48);
  CHECK(d_ff(folder.file("spec.json")) == 48);
  CHECK(d_ff(folder.file("run.toml")) == 96);
  CHECK(d_ff(folder.file("preset.toml")) == 96);
  CHECK(d_ff(folder.file("from.toml")) == 48);
  CHECK(load_model_spec(folder.path(), {"d_ff=12"}).d_ff == 12);
  CHECK_THROWS_WITH_AS(load_model_spec(folder.file("two.toml"), {}),
                       doctest::Contains("more than one of preset, spec, init_from"), Error);
  CHECK_THROWS_WITH_AS(load_model_spec("gpt2-small", {}), doctest::Contains("'gpt2-small'"), Error);
  CHECK_THROWS_WITH_AS(load_model_spec("gpt2-z", {}), doctest::Contains("did you mean 'gpt2-"),
                       Error);
  CHECK_THROWS_AS(load_model_spec(folder.file("list.json"), {}), Error);
  CHECK_THROWS_AS(load_model_spec(folder.file("list.json"), {"d_ff=12"}), Error);
  CHECK_THROWS_AS(load_model_spec(std::string(5000, 'x'), {}), Error);
}

TEST_CASE("config: a file is laid on its base, which is beside it and may have one of its own") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir.file("sub"));
  write_file_atomically(dir.file("a.toml"),
                        "x = 1\ny = 1\nz = 1\n[f]\nkind = \"low_rank\"\nrank = 4\n");
  write_file_atomically(dir.file("sub/b.toml"),
                        "base = \"../a.toml\"\ny = 2\nz = 2\n[f]\nkind = \"dense\"\n");
  write_file_atomically(dir.file("c.toml"), "base = \"sub/b.toml\"\nz = 3\n");
  CHECK(load_config_on_base(dir.file("c.toml")) ==
        json(R"({"f": {"kind": "dense"}, "x": 1, "y": 2, "z": 3})"));
  CHECK(load_config_on_base(dir.file("a.toml")) == load_config(dir.file("a.toml")));
}

TEST_CASE("config: files that [model] and [teacher] of a base name stay those beside the base") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir.file("sub/deep"));
  write_file_atomically(dir.file("sub/deep/a.toml"),
                        "[model]\nspec = \"m.json\"\ninit_from = \"../w\"\n[teacher]\nmodel = "
                        "\"t\"\n");
  write_file_atomically(dir.file("sub/b.toml"), "base = \"deep/a.toml\"\n");
  write_file_atomically(dir.file("c.toml"), "base = \"sub/b.toml\"\nz = 3\n");
  CHECK(load_config_on_base(dir.file("c.toml")) ==
        Json{{"model", {{"init_from", "sub/w"}, {"spec", "sub/deep/m.json"}}},
             {"teacher", {{"model", "sub/deep/t"}}},
             {"z", 3}});
  // The file's own names are left as they are, and so is a full path.
  write_file_atomically(dir.file("sub/a.toml"), "[model]\nspec = \"/x/m.json\"\n");
  write_file_atomically(dir.file("d.toml"), "base = \"sub/a.toml\"\n[model]\ninit_from = \"w\"\n");
  CHECK(load_config_on_base(dir.file("d.toml")) ==
        Json{{"model", {{"spec", "/x/m.json"}, {"init_from", "w"}}}});
}

TEST_CASE("config: a base that is not there, no text, or itself is an Error naming the file") {
  const test::TempDir dir;
  const auto refusal = [&](const std::string& text) {
    write_file_atomically(dir.file("a.toml"), text);
    return test::error_text([&] { load_config_on_base(dir.file("a.toml")); });
  };
  const std::string missing = refusal("base = \"none.toml\"\n");
  CHECK(missing.starts_with(dir.file("a.toml") + ": "));
  CHECK(test::contains(missing, "none.toml"));
  CHECK(test::contains(refusal("base = 3\n"), "a.toml: base is no text"));
  CHECK(test::contains(refusal("base = \"a.toml\"\n"), "a.toml: more than 8 files with a base"));
  write_file_atomically(dir.file("list.json"), "[1]");
  CHECK(load_config_on_base(dir.file("list.json")).is_array());
}
