#include "base/enum_names.h"

#include <doctest/doctest.h>

using namespace lathe;

namespace {

enum class Colour { kRed, kDarkGreen, kBlue16 };
constexpr auto names_of(Colour) { return enum_names<Colour>("red", "dark_green", "blue16"); }

struct Paint {
  Colour colour;
  int price;
};
constexpr Paint kInOrder[] = {{Colour::kRed, 3}, {Colour::kDarkGreen, 2}, {Colour::kBlue16, 1}};
constexpr Paint kMixedUp[] = {{Colour::kDarkGreen, 2}, {Colour::kRed, 3}, {Colour::kBlue16, 1}};
constexpr Paint kOneMissing[] = {{Colour::kRed, 3}, {Colour::kDarkGreen, 2}};

}  // namespace

TEST_CASE("enum names: a value has the name at its place, and the name gives the value back") {
  CHECK(name_of(Colour::kDarkGreen) == "dark_green");
  CHECK(value_of<Colour>("blue16") == Colour::kBlue16);
  CHECK(!value_of<Colour>("dark green"));
}

// What enum_names() asks at compile time.
TEST_CASE("enum names: a value without a name, and a name spelt otherwise, are noticed") {
  CHECK(enumerator<Colour::kBlue16>() == "kBlue16");
  CHECK(enumerator<static_cast<Colour>(3)>().empty());
  CHECK(spells("kDarkGreen", "dark_green"));
  CHECK(!spells("kDarkGreen", "dark_blue"));
  CHECK(!spells("kDarkGreen", "dark"));
  CHECK(!spells("kDark", "dark_green"));
}

TEST_CASE("enum names: a table with a row missing or out of order is noticed") {
  CHECK(one_row_each(kInOrder, &Paint::colour));
  CHECK(!one_row_each(kMixedUp, &Paint::colour));
  CHECK(!one_row_each(kOneMissing, &Paint::colour));
}
