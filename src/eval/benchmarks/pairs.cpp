// Benchmarks of two or three sentences: ANLI, PIQA, COPA, BoolQ.
#include "base/error.h"
#include "eval/benchmarks/parsers.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace lathe {

std::vector<ChoiceItem> parse_anli(const BenchmarkText& text, Protocol protocol) {
  std::vector<ChoiceItem> items;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    const std::string& premise = json.text("context");
    const std::string& hypothesis = json.text("hypothesis");
    const std::string& label = json.text("label");
    // Entailment, neutral, contradiction.
    const size_t gold = std::string_view("enc").find(label);
    if (label.size() != 1 || gold == std::string_view::npos) {
      fail("[benchmark] {}: 'label' is '{}', expected e, n or c", json.where(), label);
    }
    if (protocol == Protocol::kGptVariations) {
      // The script's names stand in another order than the labels: neutral and contradiction are
      // taken for each other, and only the third text has a full stop.
      const std::string both = "Premise: " + premise + ". Hypothesis: " + hypothesis + ". Premise ";
      items.push_back(
          make_whole_texts({both + "entails Hypothesis", both + "contradicts Hypothesis",
                            both + "neutral Hypothesis."},
                           gold));
      return;
    }
    items.push_back(
        make_item(premise + "\nQuestion: " + hypothesis + " True, False, or Neither?\nAnswer:",
                  {"True", "Neither", "False"}, gold));
  });
  return items;
}

std::vector<ChoiceItem> parse_piqa(const BenchmarkText& text, Protocol protocol) {
  std::vector<ChoiceItem> items;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    const std::string& goal = json.text("goal");
    const std::vector<std::string> ways = {json.text("sol1"), json.text("sol2")};
    if (protocol == Protocol::kGptVariations) {
      const std::string before = "Question: " + goal + " Answer: ";
      items.push_back(make_whole_texts({before + ways[0], before + ways[1]}, 0));
    } else {
      items.push_back(make_item("Question: " + goal + "\nAnswer:", ways, 0));
    }
  });
  if (!text.has_labels) {
    fail("[benchmark] {}: the right answers are not beside it, expected '{}'; copy it there",
         text.where, text.labels_where);
  }
  const auto labels = parse_label_lines(text.labels, text.labels_where, items.size(), 0, 2);
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].gold = labels[i];
    const bool alike = items[i].choices[0] == items[i].choices[1];
    if (protocol == Protocol::kGptVariations && alike) items[i].gold = 0;  // it compares texts
  }
  return items;
}

std::vector<ChoiceItem> parse_copa(const BenchmarkText& text, Protocol protocol) {
  std::vector<ChoiceItem> items;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    const std::string& premise = json.text("premise");
    const std::string choices[] = {json.text("choice1"), json.text("choice2")};
    const std::string& question = json.text("question");
    const size_t gold = json.index("label", 2);
    if (question != "cause" && question != "effect") {
      fail("[benchmark] {}: 'question' is '{}', expected cause or effect", json.where(), question);
    }
    if (protocol == Protocol::kGptVariations) {
      const std::string before = "Premise: " + premise + " Choice: ";
      items.push_back(make_whole_texts({before + choices[0], before + choices[1]}, gold));
      return;
    }
    // The choices begin with a space of their own, so that there are two.
    items.push_back(
        make_item(std::string(without_last(strip(premise))) +
                      (question == "cause" ? " because" : " therefore"),
                  {" " + with_lower_first(choices[0]), " " + with_lower_first(choices[1])}, gold));
  });
  return items;
}

std::vector<ChoiceItem> parse_boolq(const BenchmarkText& text, Protocol) {
  std::vector<ChoiceItem> items;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    items.push_back(make_item(
        json.text("passage") + "\nQuestion: " + json.text("question") + "?\nAnswer:", {"no", "yes"},
        json.boolean("label") ? 1 : 0));
  });
  return items;
}

}  // namespace lathe
