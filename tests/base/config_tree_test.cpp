#include "base/config_tree.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;

namespace {

Json json(const std::string& text) { return Json::parse(text); }

Json after(const std::string& tree, const std::string& assignment) {
  Json result = json(tree);
  apply_override(result, assignment);
  return result;
}

}  // namespace

TEST_CASE("config: TOML and JSON of the same content give the same tree") {
  const Json from_toml = parse_toml(R"(
steps = 200
lr = 1e-3
on = true
name = "x"
betas = [0.9, 0.95]
[model]
preset = "gpt2-s"
ffn_linear = {kind = "low_rank", rank = 4}
[model.topology]
kind = "gpt"
)",
                                    "t");
  CHECK(from_toml == json(R"({"betas": [0.9, 0.95], "lr": 0.001,
    "model": {"ffn_linear": {"kind": "low_rank", "rank": 4}, "preset": "gpt2-s",
              "topology": {"kind": "gpt"}},
    "name": "x", "on": true, "steps": 200})"));
}

TEST_CASE("config: what is no JSON or TOML is an Error naming the file and the place") {
  CHECK(test::contains(test::error_text([] { parse_json("{\n  \"a\": }", "f.json"); }),
                       "f.json: not valid JSON"));
  CHECK(test::contains(test::error_text([] { parse_json("{\n  \"a\": }", "f.json"); }), "line 2"));
  CHECK(test::contains(test::error_text([] { parse_json("", "f.json"); }), "f.json"));
  CHECK(test::contains(test::error_text([] { parse_json("{\"a\": 1e999}", "f.json"); }), "f.json"));
  CHECK(test::contains(test::error_text([] { parse_json("\"\xff\"", "f.json"); }), "f.json"));
  CHECK(test::contains(test::error_text([] { parse_toml("a = 1\nb = = 2", "f.toml"); }),
                       "f.toml: line 2"));
  CHECK(test::contains(test::error_text([] { parse_toml("a = 1\na = 2", "f.toml"); }),
                       "f.toml: line 2"));
  CHECK(test::contains(test::error_text([] { parse_toml("a = 2020-01-01", "f.toml"); }), "dates"));
}

TEST_CASE("config: nesting without end is an Error, not a crash") {
  for (const int depth : {65, 1000, 1000000}) {
    const size_t n = static_cast<size_t>(depth);
    const std::string open(n, '['), close(n, ']');
    CHECK(!test::error_text([&] { parse_json(open + close, "t"); }).empty());
    CHECK(!test::error_text([&] { parse_toml("a = " + open + close, "t"); }).empty());
    std::string dotted = "a";
    for (int i = 0; i < depth; ++i) dotted += ".a";
    CHECK(!test::error_text([&] { parse_toml(dotted + " = 1", "t"); }).empty());
    CHECK(!test::error_text([&] { parse_toml("[" + dotted + "]", "t"); }).empty());
    Json tree = Json::object();
    CHECK(!test::error_text([&] { apply_override(tree, dotted + "=1"); }).empty());
  }
  CHECK(parse_json(std::string(60, '[') + std::string(60, ']'), "t").is_array());
}

TEST_CASE("config: --set reads TOML values, and bare words as text") {
  CHECK(after("{}", "a=8") == json(R"({"a": 8})"));
  CHECK(after("{}", "a=1e-3") == json(R"({"a": 0.001})"));
  CHECK(after("{}", "a=true") == json(R"({"a": true})"));
  CHECK(after("{}", "a=[0, 1]") == json(R"({"a": [0, 1]})"));
  CHECK(after("{}", "a=\"8\"") == json(R"({"a": "8"})"));
  CHECK(after("{}", "a=runs/x y") == json(R"({"a": "runs/x y"})"));
  CHECK(after("{}", "a=x=y") == json(R"({"a": "x=y"})"));
  CHECK(after("{}", "a=") == json(R"({"a": ""})"));
  CHECK(after("{}", "a=1\nb=2") == json(R"({"a": "1\nb=2"})"));
  CHECK(after(R"({"a": {"b": 1, "c": 2}})", "a.b=3") == json(R"({"a": {"b": 3, "c": 2}})"));
  CHECK(after("{}", "a.b.c=3") == json(R"({"a": {"b": {"c": 3}}})"));
}

TEST_CASE("config: --set without key or value, or on a file that is no table, is an Error") {
  for (const std::string bad : {"a", "=3", "", "a..b=3", ".a=3", "a=b\xff"}) {
    CAPTURE(bad);
    CHECK(test::contains(test::error_text([&] { after("{}", bad); }),
                         std::string("--set ") + bad.substr(0, bad.find('\xff'))));
  }
  CHECK(test::contains(test::error_text([] { after("[1, 2]", "a=3"); }), "array"));
}

TEST_CASE("config: changing a kind drops the former kind's keys, naming it again does not") {
  const char* tree = R"({"ffn_linear": {"kind": "low_rank", "rank": 4}})";
  CHECK(after(tree, "ffn_linear.kind=block_shuffle") ==
        json(R"({"ffn_linear": {"kind": "block_shuffle"}})"));
  CHECK(after(tree, "ffn_linear.kind=low_rank") == json(tree));
  CHECK(after(tree, "ffn_linear.rank=8") ==
        json(R"({"ffn_linear": {"kind": "low_rank", "rank": 8}})"));
  Json merged = json(tree);
  merge_config(merged, json(R"({"ffn_linear": {"kind": "block_dense", "n_blocks": 2}})"));
  CHECK(merged == json(R"({"ffn_linear": {"kind": "block_dense", "n_blocks": 2}})"));
}

TEST_CASE("config: merging lays one tree over another, lists and scalars whole") {
  Json tree = json(R"({"a": {"x": 1, "y": [1, 2, 3]}, "b": 2})");
  merge_config(tree, json(R"({"a": {"y": [9]}, "c": {"z": 1}})"));
  CHECK(tree == json(R"({"a": {"x": 1, "y": [9]}, "b": 2, "c": {"z": 1}})"));
}

TEST_CASE("config: a file is TOML by its ending, else JSON; a missing one is an Error") {
  const test::TempDir folder;
  write_file_atomically(folder.file("a.toml"), "x = 1\n");
  write_file_atomically(folder.file("a.json"), "{\"x\": 1}");
  CHECK(load_config(folder.file("a.toml")) == load_config(folder.file("a.json")));
  CHECK(test::contains(test::error_text([&] { load_config(folder.file("none.json")); }),
                       "none.json"));
}

TEST_CASE("config: a table of dotted keys is laid on the tree like overrides") {
  Json tree = json(R"({"m": {"f": {"kind": "low_rank", "rank": 4}, "d": 1}})");
  apply_dotted(tree, json(R"({"m.f": {"kind": "dense"}, "m.e.g": 2, "m": {"d": 3}})"), "w");
  CHECK(tree == json(R"({"m": {"f": {"kind": "dense"}, "d": 3, "e": {"g": 2}}})"));
  const auto refusal = [](const std::string& table) {
    Json any = Json::object();
    return test::error_text([&] { apply_dotted(any, json(table), "w"); });
  };
  CHECK(test::contains(refusal("[1]"), "w: found array, expected a table"));
  CHECK(test::contains(refusal(R"({"a..b": 1})"), "w: empty name in 'a..b'"));
  CHECK(test::contains(refusal(R"({"": 1})"), "w: a key is empty"));
}
