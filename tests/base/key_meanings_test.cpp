#include <doctest/doctest.h>

#include <cmath>

#include "base/fields.h"
#include "support/error_text.h"

using namespace lathe;
using test::contains;

namespace {

struct Inner {
  double share = 0.5;
  std::vector<double> betas = {0.9};
  void visit_fields(FieldVisitor& v) {
    v.field("share", share, "", KeyMeaning{.role = KeyRole::kSize}.within(0, 1));
    v.field("betas", betas, "", KeyMeaning{}.within(0, 0.99));
  }
};

struct Outer {
  i64 steps = 3;
  i64 free = -7;
  Inner inner;
  void visit_fields(FieldVisitor& v) {
    v.field("steps", steps, "", KeyMeaning{.on_resume = OnResume::kSaid}.from(1));
    v.field("free", free, "");  // the range before it is not its own
    v.section("inner", inner, "");
  }
};

template <class Change>
std::string error_after(const Change& change) {
  Outer fields;
  change(fields);
  return test::error_text([&] { check_ranges(fields, "area"); });
}

}  // namespace

TEST_CASE("key meanings: collected by dotted keys, and only where there is one") {
  const KeyMeanings meanings = key_meanings<Outer>();
  CHECK(meanings.size() == 3);
  CHECK(meanings.at("steps").on_resume == OnResume::kSaid);
  CHECK(meanings.at("inner.share").role == KeyRole::kSize);
  CHECK(!meanings.contains("free"));
}

TEST_CASE("key meanings: a number outside its range is an Error with the key and the range") {
  CHECK(error_after([](Outer&) {}) == "");
  CHECK(error_after([](Outer& o) { o.steps = 0; }) == "[area] steps is 0, expected at least 1");
  CHECK(error_after([](Outer& o) { o.inner.share = 1.5; }) ==
        "[area] inner.share is 1.5, expected 0 … 1");
  CHECK(contains(error_after([](Outer& o) { o.inner.share = NAN; }), "inner.share is nan"));
  CHECK(contains(error_after([](Outer& o) { o.inner.betas = {0.5, 1}; }), "inner.betas is 1"));
}
