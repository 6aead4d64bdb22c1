#include "base/fields.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "support/error_text.h"

using namespace lathe;

namespace {

enum class Colour { kRed, kGreen };
constexpr auto names_of(Colour) { return enum_names<Colour>("red", "green"); }

struct Inner {
  double share = 0.5;
  std::vector<i64> layers = {0};
  void visit_fields(FieldVisitor& v) {
    v.field("share", share, "a share");
    v.field("layers", layers, "");
  }
  bool operator==(const Inner&) const = default;
};

// The field after the section is on purpose: in TOML it must not fall into the section's table.
struct Outer {
  bool on = false;
  i64 steps = 10;
  Inner inner;
  std::string name = "x";
  Colour colour = Colour::kRed;
  std::vector<double> betas = {0.9, 0.999};
  std::vector<std::string> paths;
  void visit_fields(FieldVisitor& v) {
    v.field("on", on, "switch");
    v.field("steps", steps, "how many");
    v.section("inner", inner, "the inner one");
    v.field("name", name, "");
    v.field("colour", colour, "which");
    v.field("betas", betas, "");
    v.field("paths", paths, "");
  }
  bool operator==(const Outer&) const = default;
};

Outer unusual() {
  Outer o;
  o.on = true;
  o.steps = std::numeric_limits<i64>::max();
  o.inner.share = 1.0 / 3.0;
  o.inner.layers = {3, -1, 0};
  o.name = "a \"quoted\" \\ line\nbreak \t tab \x01 \x7f # = é";
  o.colour = Colour::kGreen;
  o.betas = {0, 1e-300, -2.5e17, 3};
  o.paths = {"one", "", "[3]"};
  return o;
}

// The message of the Error that reading `text` into an Outer gives, or "" for none.
std::string error_of(const std::string& text) {
  Outer into;
  return test::error_text([&] { read_fields(parse_json(text, "test"), into, "test"); });
}

}  // namespace

TEST_CASE(
    "fields: struct to JSON to struct gives the same, and JSON keeps the order of the visit") {
  const Outer from = unusual();
  const Json json = write_fields(from);
  Outer into;
  read_fields(parse_json(json.dump(), "test"), into, "test");
  CHECK(into == from);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  CHECK(keys ==
        std::vector<std::string>{"on", "steps", "inner", "name", "colour", "betas", "paths"});
  CHECK(json.at("colour") == "green");
}

TEST_CASE("fields: printed TOML parses back to the same, whatever the strings hold") {
  const auto check = [](const Outer& from) {
    Outer into;
    into.on = !from.on;  // so that a lost line would show
    into.name = "other";
    read_fields(parse_toml(print_toml(from), "test"), into, "test");
    CHECK(into == from);
  };
  const Outer untouched;
  check(untouched);
  check(unusual());
}

TEST_CASE("fields: a key that is not there keeps its value, an empty object changes nothing") {
  Outer into = unusual();
  read_fields(parse_json(R"({"inner": {"share": 0.25}})", "test"), into, "test");
  Outer expected = unusual();
  expected.inner.share = 0.25;
  CHECK(into == expected);
}

TEST_CASE("fields: an unknown key is an Error with its path and the nearest key there is") {
  CHECK(test::contains(error_of(R"({"stepz": 3})"), "unknown key 'stepz'; did you mean 'steps'?"));
  CHECK(test::contains(error_of(R"({"inner": {"shar": 3}})"),
                       "'inner.shar'; did you mean 'inner.share'?"));
  const std::string far = error_of(R"({"qqqqqqqqqqqq": 3})");
  CHECK(test::contains(far, "'qqqqqqqqqqqq'"));
  CHECK(!test::contains(far, "did you mean"));
  CHECK(test::contains(far, "known here: on, steps, inner"));
}

TEST_CASE("fields: every value of the wrong type is an Error naming the key and both types") {
  const struct {
    const char *text, *key, *expected;
  } cases[] = {
      {R"({"on": 1})", "'on' is 1", "true or false"},
      {R"({"on": "true"})", "'on' is \"true\"", "true or false"},
      {R"({"steps": "3"})", "'steps' is \"3\"", "a whole number"},
      {R"({"steps": 2.5})", "'steps' is 2.5", "a whole number"},
      {R"({"steps": true})", "'steps' is true", "a whole number"},
      {R"({"steps": 9223372036854775808})", "'steps' is 9223372036854775808", "a whole number"},
      {R"({"steps": 1e300})", "'steps' is 1e+300", "a whole number"},
      {R"({"steps": null})", "'steps' is null", "a whole number"},
      {R"({"name": 3})", "'name' is 3", "text in quotes"},
      {R"({"inner": 3})", "'inner' is 3", "a table of keys"},
      {R"({"inner": [1]})", "'inner' is [1]", "a table of keys"},
      {R"({"inner": {"share": "x"}})", "'inner.share' is \"x\"", "a number"},
      {R"({"inner": {"share": [1]}})", "'inner.share' is [1]", "a number"},
      {R"({"inner": {"layers": 3}})", "'inner.layers' is 3", "a list of whole numbers"},
      {R"({"inner": {"layers": [1, "x"]}})", "'inner.layers'", "a list of whole numbers"},
      {R"({"betas": [0.9, null]})", "'betas'", "a list of numbers"},
      {R"({"betas": 0.9})", "'betas'", "a list of numbers"},
      {R"({"paths": [1]})", "'paths'", "text or a list of texts"},
      {R"({"paths": 1})", "'paths'", "text or a list of texts"},
      {R"({"colour": 1})", "'colour' is 1", "one of red, green"},
      {R"({"colour": "blue"})", "'colour' is 'blue'", "one of red, green"},
      {"[]", "test", "a table of keys"},
      {"3", "test", "a table of keys"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const std::string error = error_of(c.text);
    CHECK(test::contains(error, c.key));
    CHECK(test::contains(error, c.expected));
    CHECK(!test::contains(error, "\n"));
  }
}

TEST_CASE("fields: a refused list leaves the old one") {
  Outer into;
  CHECK_THROWS_AS(read_fields(parse_json(R"({"betas": [1, "x"]})", "t"), into, "t"), Error);
  CHECK(into.betas == std::vector<double>{0.9, 0.999});
}

TEST_CASE("fields: counts may be written as whole floats, one path without a list") {
  Outer into;
  read_fields(parse_json(R"({"steps": 2.2e9, "paths": "one"})", "test"), into, "test");
  CHECK(into.steps == 2200000000);
  CHECK(into.paths == std::vector<std::string>{"one"});
}

TEST_CASE("fields: errors stay on one line and short whatever the input holds") {
  for (const std::string& text :
       {std::string(R"({"a\nb": 1})"), R"({")" + std::string(100000, 'k') + R"(": 1})",
        std::string(R"({"colour": "a\nb"})"),
        R"({"steps": ")" + std::string(100000, 'v') + "\"}"}) {
    const std::string error = error_of(text);
    CHECK(!error.empty());
    CHECK(!test::contains(error, "\n"));
    CHECK(error.size() < 400);
  }
}
