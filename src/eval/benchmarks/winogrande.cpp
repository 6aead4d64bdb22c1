#include "base/error.h"
#include "eval/benchmarks/parsers.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace lathe {

// The choices are contexts, up to and with the option, and what follows the blank is scored.
std::vector<ChoiceItem> parse_winogrande(const BenchmarkText& text, Protocol protocol) {
  std::vector<ChoiceItem> items;
  std::vector<std::string> places;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    const std::string& sentence = json.text("sentence");
    const std::string options[] = {json.text("option1"), json.text("option2")};
    const size_t blank = sentence.find('_');
    if (blank == sentence.npos) {
      fail("[benchmark] {}: 'sentence' has no blank '_', expected one", json.where());
    }
    const i64 answer = json.whole("answer");
    if (answer != 1 && answer != 2) {
      fail("[benchmark] {}: 'answer' is {}, expected 1 or 2", json.where(), answer);
    }
    const auto gold = static_cast<size_t>(answer - 1);
    places.push_back(json.where());
    if (protocol == Protocol::kGptVariations) {
      items.push_back(make_whole_texts(
          {replaced(sentence, "_", options[0]), replaced(sentence, "_", options[1])}, gold));
      return;
    }
    const std::string tail(strip(std::string_view(sentence).substr(blank + 1)));
    ChoiceItem item;
    item.gold = gold;
    for (const std::string& option : options) {
      item.choices.push_back({sentence.substr(0, blank) + option, " " + tail,
                              std::max<i64>(1, count_code_points(tail))});
    }
    items.push_back(std::move(item));
  });
  if (text.has_labels) {
    const auto labels = parse_label_lines(text.labels, text.labels_where, items.size(), 1, 2);
    for (size_t i = 0; i < items.size(); ++i) {
      if (labels[i] == items[i].gold) continue;
      fail("[benchmark] {}:{}: {}, but {} says {}; are they of one split?", text.labels_where,
           i + 1, labels[i] + 1, places[i], items[i].gold + 1);
    }
  }
  return items;
}

}  // namespace lathe
