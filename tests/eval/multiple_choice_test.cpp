// Pairs of texts as tokens, figures out of scores, and the log of items.
#include "eval/multiple_choice.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "eval/choice_task.h"
#include "eval/item_log.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_bpe.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;
using Ids = std::vector<int32_t>;

std::unique_ptr<Tokenizer> merging() {
  return parse_tokenizer_json(test::tiny_bpe_json({{"t", "h"}, {"th", "e"}}).dump(), "t");
}

TEST_CASE("pairs: the continuation is what the whole has beyond the context's count of tokens") {
  const auto tokenizer = make_byte_tokenizer();
  PairEncoder encoder(*tokenizer, -1, 20);
  const Request plain = encoder.encode("ab", " c");
  CHECK(plain.context == Ids{'a', 'b'});
  CHECK(plain.continuation == Ids{' ', 'c'});
  // Blanks at the context's end are the continuation's.
  const Request moved = encoder.encode("ab \n", " c");
  CHECK(moved.context == Ids{'a', 'b'});
  CHECK(moved.continuation == Ids{' ', '\n', ' ', 'c'});
  // A merge across the border: "t" + "he" is one token, and the context keeps its count of one.
  const auto bpe = merging();
  PairEncoder merger(*bpe, -1, 20);
  const Request across = merger.encode("t", "hex");
  REQUIRE(across.context.size() == 1);
  CHECK(bpe->decode(across.context) == "the");
  CHECK(bpe->decode(across.continuation) == "x");
  CHECK(bpe->decode(merger.encode_apart("t", "hex").context) == "t");
  CHECK(contains(error_text([&] { merger.encode("t", "he"); }), "a choice without tokens"));
}

TEST_CASE("pairs: what begins a text is in front, and stands for an empty context") {
  const auto tokenizer = make_byte_tokenizer();
  PairEncoder begun(*tokenizer, 7, 20);
  CHECK(begun.encode("a", "b").context == Ids{7, 'a'});
  CHECK(begun.encode("a", "b").continuation == Ids{'b'});
  CHECK(begun.encode(" ", "b").context == Ids{7});
  CHECK(begun.encode(" ", "b").continuation == Ids{' ', 'b'});
  PairEncoder ended(*tokenizer, -1, 20);
  CHECK(ended.encode("", "b").context == Ids{256});
  // A continuation that begins with that token has it already.
  PairEncoder b(*tokenizer, 'b', 20);
  CHECK(b.encode("", "bc").continuation == Ids{'c'});
}

TEST_CASE("pairs: what does not fit goes from the left; a choice that does not is an Error") {
  const auto tokenizer = make_byte_tokenizer();
  PairEncoder encoder(*tokenizer, -1, 4);
  // Four tokens are fed, and the fifth is only predicted.
  CHECK(encoder.encode("abcdef", "gh").context == Ids{'d', 'e', 'f'});
  CHECK(encoder.encode("abcdef", "ghij").context == Ids{'f'});
  CHECK(contains(error_text([&] { encoder.encode("a", "ghijk"); }), "5 tokens does not fit"));
  CHECK(encoder.encode_text("abcd").size() == 4);
  CHECK(contains(error_text([&] { encoder.encode_text("abcde"); }), "a text of 5 tokens"));
  CHECK(contains(error_text([&] { encoder.encode_text(""); }), "a text of 0 tokens"));
}

TEST_CASE("pairs: a tokenizer that cannot spell a choice is an Error that names the item") {
  // NFKC makes "fi" of the ligature.
  nlohmann::json json = test::tiny_bpe_json({{"t", "h"}});
  json["normalizer"] = {{"type", "NFKC"}};
  const auto lossy = parse_tokenizer_json(json.dump(), "t");
  const std::vector<ChoiceItem> items = {make_item("q", {"a", "\xEF\xAC\x81"}, 0)};
  const std::string error =
      error_text([&] { encode_items(items, Protocol::kHarness, *lossy, -1, 20, "MODEL: task"); });
  CHECK(contains(error, "MODEL: task, item 0"));
  CHECK(contains(error, "spells ' \xEF\xAC\x81' as ' fi'"));
  const auto bytes = make_byte_tokenizer();
  CHECK(encode_items(items, Protocol::kHarness, *bytes, -1, 20, "").size() == 1);
}

// ln p = −(token) of each token; knows how many requests came at once.
class FakeScorer : public Scorer {
 public:
  i64 context_length() const override { return 40; }
  std::vector<Score> score(std::span<const Request> requests, bool) override {
    std::vector<Score> scores;
    for (const Request& r : requests) {
      Score score;
      for (const int32_t token : r.continuation) score.log_likelihood -= token;
      scores.push_back(score);
    }
    n_requests += requests.size();
    return scores;
  }
  size_t n_requests = 0;
};

TEST_CASE("scores: every item gets its own, in its order, whatever goes together") {
  const auto tokenizer = make_byte_tokenizer();
  std::vector<ChoiceItem> items;
  for (int i = 0; i < 70; ++i) {
    items.push_back(make_item(std::string(static_cast<size_t>(1 + i * 7 % 11), 'q'),
                              {std::string(1, static_cast<char>('0' + i)), "zz"}, 0));
  }
  const auto encoded = encode_items(items, Protocol::kHarness, *tokenizer, -1, 40, "");
  std::vector<const EncodedItem*> asked;
  for (const EncodedItem& e : encoded) asked.push_back(&e);
  FakeScorer scorer;
  size_t next = 0;
  double last_share = 0;
  score_items(scorer, asked,
              [&](size_t first, std::span<const std::vector<double>> scores, double share, double) {
                CHECK(first == next);
                for (const std::vector<double>& item : scores) {
                  REQUIRE(item.size() == 2);
                  CHECK(item[0] == -(' ' + '0' + static_cast<double>(next++)));
                  CHECK(item[1] == -(' ' + 2 * 'z'));
                }
                CHECK(share > last_share);
                last_share = share;
              });
  CHECK(next == 70);
  CHECK(last_share == doctest::Approx(1));
  EncodedItem text;
  text.texts = {{1}, {2}};
  const EncodedItem* one = &text;
  CHECK(contains(error_text([&] {
                   score_items(scorer, std::span(&one, 1),
                               [](size_t, std::span<const std::vector<double>>, double, double) {});
                 }),
                 "scores no whole vocabularies"));
}

TEST_CASE("figures: predictions by score, by character and by token; the first of equals") {
  const auto tokenizer = make_byte_tokenizer();
  ChoiceItem item = make_item("q", {"\xC3\xA9\xC3\xA9", "bb", "cccc"}, 1);
  const auto encoded = encode_items({&item, 1}, Protocol::kHarness, *tokenizer, -1, 40, "")[0];
  // Characters 2, 2, 4; tokens 5, 3, 5 with the space.
  const Predictions p = predict(item, encoded, std::vector<double>{-3, -3, -5});
  CHECK(p.plain == 0);
  CHECK(p.per_character == 2);
  CHECK(p.per_token == 0);
  const auto figures = figures_of(item, encoded, std::vector<double>{-9, -3, -7});
  REQUIRE(figures.size() == 4);
  CHECK(figures[0].value == 1);
  CHECK(figures[1].value == 1);
  CHECK(figures[2].value == 1);
  CHECK(figures[3].name == "bits_per_byte");
  CHECK(figures[3].value == doctest::Approx(3 / std::log(2.0) / 3));
  CHECK(error_text([&] { figure_of({}); }) == "");
}

TEST_CASE("figures: standard errors are n − 1's, and those of differences are paired") {
  const Figure f = figure_of(std::vector<double>{1, 0, 0, 1});
  CHECK(f.mean == 0.5);
  CHECK(f.error == doctest::Approx(std::sqrt(1.0 / 3 / 4)));
  CHECK(std::isnan(figure_of(std::vector<double>{1}).error));
  const FigureRows a = {{{"acc", 1}}, {{"acc", 1}}, {{"acc", 0}}, {{"acc", 1}}};
  const FigureRows b = {{{"acc", 0}}, {{"acc", 1}}, {{"acc", 0}}, {{"acc", 1}}};
  const Json difference = summarise_difference(a, b);
  CHECK(difference.at("acc") == 0.25);
  CHECK(difference.at("acc_stderr").get<double>() == doctest::Approx(0.25));
  CHECK(summarise({a[0]}).at("acc_stderr").is_null());
}

struct Asked {
  std::unique_ptr<Tokenizer> tokenizer = make_byte_tokenizer();
  FakeScorer scorer;
  Examinee model{scorer, *tokenizer, -1, "0123456789abcdef", "m"};
  ChoiceTask task;
  std::vector<EncodedItem> encoded;

  explicit Asked(int n) {
    task.benchmark = find_benchmark("piqa");
    for (int i = 0; i < n; ++i) {
      task.items.push_back(make_item("q", {std::string(1, static_cast<char>('a' + i)), "bb"}, 1));
      task.items.back().doc = i;
    }
    encoded = encode_task(task, model);
  }
  FigureRows run(ItemLog* log) {
    return run_choice_task(task, encoded, model, log, [](const std::string&) {});
  }
};

TEST_CASE("item log: an evaluation goes on from what is there, and the figures are the same") {
  const test::TempDir dir;
  const std::string path = dir.file("items.jsonl");
  Asked whole(20);
  const ItemOrigin origin = origin_of(whole.task, whole.model);
  const Json want = summarise(whole.run(nullptr));
  {
    ItemLog log(path, std::span(&origin, 1));
    Asked part(7);
    part.run(&log);
  }
  const std::string first = read_text_file(path);
  CHECK(std::count(first.begin(), first.end(), '\n') == 7);
  const Json line = Json::parse(first.substr(0, first.find('\n')));
  CHECK(line.at("doc") == 0);
  CHECK(line.at("gold") == 1);
  CHECK(line.at("log_likelihoods").size() == 2);
  CHECK(line.at("predictions").at("acc_norm").is_number());
  // As a process that was killed while it wrote leaves it.
  write_file_atomically(path, first + R"({"task":"piqa","doc":7,"go)");
  Asked rest(20);
  ItemLog log(path, std::span(&origin, 1));
  CHECK(summarise(rest.run(&log)) == want);
  CHECK(rest.scorer.n_requests == 26);  // of 13 items
  const std::string all = read_text_file(path);
  CHECK(all.starts_with(first));
  CHECK(std::count(all.begin(), all.end(), '\n') == 20);
}

TEST_CASE("item log: items of another model, task, protocol or data are refused, and stay") {
  const test::TempDir dir;
  const std::string path = dir.file("items.jsonl");
  Asked asked(3);
  const ItemOrigin origin = origin_of(asked.task, asked.model);
  {
    ItemLog log(path, std::span(&origin, 1));
    asked.run(&log);
  }
  const std::string bytes = read_text_file(path);
  const auto refused = [&](ItemOrigin other) {
    const std::string error = error_text([&] { ItemLog(path, std::span(&other, 1)); });
    CHECK(read_text_file(path) == bytes);
    return error;
  };
  CHECK(contains(refused({"copa", "harness", origin.model, 0}), "items of piqa"));
  CHECK(contains(refused({"piqa", "gpt-variations", origin.model, 0}), "protocol harness"));
  CHECK(contains(refused({"piqa", "harness", "fedcba9876543210", 0}), "model 0123456789abcdef"));
  CHECK(contains(refused({"piqa", "harness", origin.model, 5}), "0 shots"));
  ItemLog log(path, std::span(&origin, 1));
  ChoiceItem other = asked.task.items[1];
  other.gold = 0;
  CHECK(contains(error_text([&] { log.find(origin, other); }), "is it of other data?"));
  const auto error_of = [&](const std::string& content) {
    write_file_atomically(path, content);
    return error_text([&] { ItemLog(path, std::span(&origin, 1)); });
  };
  CHECK(contains(error_of("my notes\n"), "not valid JSON"));
  CHECK(contains(error_of("my notes"), "give --items a file of its own"));
  CHECK(read_text_file(path) == "my notes");
  CHECK(contains(error_of("{\"doc\":1}\n"), "no 'task'"));
  CHECK(contains(
      error_of(
          bytes +
          R"({"task":"piqa","doc":-1,"gold":0,"log_likelihoods":[1,2],"protocol":"harness","shots":0,"model":"m"})"
          "\n"),
      "item -1"));
  CHECK(contains(error_text([&] { ItemLog(dir.path() + "/none/x", std::span(&origin, 1)); }),
                 "cannot write"));
}

}  // namespace
}  // namespace lathe
