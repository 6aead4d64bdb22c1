// Python's string functions and random numbers, against values that CPython 3.11 gave.
#include "eval/python_text.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "eval/python_random.h"
#include "eval/shots.h"
#include "support/error_text.h"

namespace lathe {
namespace {

TEST_CASE("python text: blanks, capitals and lengths are Python's") {
  CHECK(strip(" \t\n\x1c\xc2\xa0 a b\xe3\x80\x80\xe2\x80\xa8") == "a b");
  CHECK(strip(" \xe2\x80\x8b ") == "\xe2\x80\x8b");  // U+200B is no blank
  CHECK(strip("  ") == "");
  CHECK(strip_right(" a\xc2\x85 \r\n") == " a");
  CHECK(capitalized("the MAN") == "The man");
  CHECK(capitalized("\xc3\xa9T\xc3\x89") == "\xc3\x89t\xc3\xa9");
  CHECK(capitalized("\" POWER") == "\" power");
  CHECK(capitalized("") == "");
  CHECK(with_lower_first("The Man") == "the Man");
  CHECK(with_lower_first("\xc3\x89t") == "\xc3\xa9t");
  CHECK(with_lower_first("") == "");
  CHECK(without_last("ab\xe2\x80\xa6") == "ab");
  CHECK(without_last("") == "");
  CHECK(count_code_points("a\xc3\xa9\xe2\x80\xa6\xf0\x9f\x99\x82") == 4);
  CHECK(replaced("a    b", "  ", " ") == "a  b");
  CHECK(replaced("x [title] y", " [title]", ". ") == "x.  y");
}

TEST_CASE("python random: draws are those of random.Random(seed).sample") {
  PythonRandom random(1234);
  using Draw = std::vector<i64>;
  CHECK(random.sample(10, 3) == Draw{7, 1, 0});
  CHECK(random.sample(1000, 5) == Draw{92, 932, 965, 961, 826});
  CHECK(random.sample(1000, 6) == Draw{596, 35, 687, 709, 85, 100});
  CHECK(random.sample(80, 7) == Draw{45, 30, 2, 3, 77, 44, 61});
  CHECK(random.sample(16946, 2) == Draw{15189, 4867});
  CHECK(random.sample(3, 3) == Draw{0, 2, 1});
  PythonRandom other(0);
  CHECK(other.sample(1 << 20, 4) == Draw{807917, 882002, 84901, 542987});
  CHECK(other.sample(5, 0).empty());
}

TEST_CASE("shots: examples are drawn anew for each item and end with an empty line") {
  std::vector<ChoiceItem> pool;
  for (int i = 0; i < 10; ++i) {
    pool.push_back(make_item("q" + std::to_string(i), {"wrong", "right"}, 1));
  }
  std::vector<ChoiceItem> items = {make_item("a", {"x", "y"}, 0), make_item("b", {"x", "y"}, 1)};
  add_shots(items, pool, 3, false);
  CHECK(items[0].choices[1].context == "q7 right\n\nq1 right\n\nq0 right\n\na");
  CHECK(items[0].choices[0].context == items[0].choices[1].context);
  CHECK(items[1].choices[0].context.ends_with("right\n\nb"));
  CHECK(items[1].choices[0].context != "q7 right\n\nq1 right\n\nq0 right\n\nb");
}

TEST_CASE("shots: where one more is drawn than is shown, the next item's draws are others") {
  std::vector<ChoiceItem> pool;
  for (int i = 0; i < 10; ++i) pool.push_back(make_item(std::to_string(i), {"x", "y"}, 1));
  // Of random.Random(1234): sample(range(10), 4) is 7, 1, 0, 9, then 9, 0, 1, 8.
  std::vector<ChoiceItem> items = {make_item("a", {"x", "y"}, 0), make_item("b", {"x", "y"}, 1)};
  add_shots(items, pool, 3, true);
  CHECK(items[0].choices[0].context == "7 y\n\n1 y\n\n0 y\n\na");
  CHECK(items[1].choices[0].context == "9 y\n\n0 y\n\n1 y\n\nb");
  // An item that is in the pool twice leaves one too few, and they are drawn among the others.
  std::vector<ChoiceItem> twice = {make_item("0", {"x", "y"}, 1)};
  std::vector<ChoiceItem> small = {pool[0], pool[0], pool[1]};
  add_shots(twice, small, 1, true);
  CHECK(twice[0].choices[0].context == "1 y\n\n0");
  std::vector<ChoiceItem> more = {make_item("0", {"x", "y"}, 1)};
  CHECK(test::contains(test::error_text([&] { add_shots(more, small, 2, true); }),
                       "2 examples are asked for, and 1 differ"));
}

TEST_CASE("shots: without a pool never the item that is asked; too few are an Error") {
  std::vector<ChoiceItem> items;
  for (int i = 0; i < 4; ++i) items.push_back(make_item(std::to_string(i) + "?", {"x", "y"}, 0));
  const std::vector<ChoiceItem> before = items;
  add_shots(items, {}, 3, false);
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string& context = items[i].choices[0].context;
    const std::string own = before[i].choices[0].context;
    CHECK(context.ends_with("\n\n" + own));
    CHECK(context.find(own) == context.size() - own.size());
    CHECK(std::count(context.begin(), context.end(), '?') == 4);
  }
  std::vector<ChoiceItem> few = before;
  CHECK(test::contains(test::error_text([&] { add_shots(few, {}, 4, false); }),
                       "4 examples are asked for, and there are 3"));
  CHECK(test::contains(test::error_text([&] { add_shots(few, before, 5, false); }), "there are 4"));
}

}  // namespace
}  // namespace lathe
