// Benchmarks in the form of ARC: a stem, labelled choices, the right one's label.
#include "base/error.h"
#include "eval/benchmarks/parsers.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace lathe {

namespace {

struct Question {
  std::string stem;
  std::vector<std::string> labels, choices;
  size_t gold = 0;
};

Question read_question(const JsonItem& json) {
  const JsonItem inner = json.object("question");
  Question q;
  q.stem = inner.text("stem");
  for (const JsonItem& choice : inner.objects("choices")) {
    q.labels.push_back(choice.text("label"));
    q.choices.push_back(choice.text("text"));
  }
  if (q.choices.size() < 2) {
    fail("[benchmark] {}: {} choices, expected at least 2", json.where(), q.choices.size());
  }
  const std::string& answer = json.text("answerKey");
  while (q.gold < q.labels.size() && q.labels[q.gold] != answer) ++q.gold;
  if (q.gold == q.labels.size()) {
    std::string labels;
    for (const std::string& label : q.labels) labels += (labels.empty() ? "" : ", ") + label;
    fail("[benchmark] {}: 'answerKey' is '{}', expected one of {}", json.where(), answer, labels);
  }
  return q;
}

// The script compares texts: a choice that reads as the right one is the right one.
size_t first_alike(const std::vector<std::string>& choices, size_t gold) {
  size_t at = 0;
  while (choices[at] != choices[gold]) ++at;
  return at;
}

template <class ToItem>
std::vector<ChoiceItem> parse_questions(const BenchmarkText& text, const ToItem& to_item) {
  std::vector<ChoiceItem> items;
  read_json_lines(text.items, text.where, [&](const JsonItem& json) {
    items.push_back(to_item(json, read_question(json)));
  });
  return items;
}

ChoiceItem question_and_answer(const Question& q, const std::string& before) {
  std::vector<std::string> texts;
  for (const std::string& choice : q.choices) {
    texts.push_back(before + q.stem + " Answer: " + choice);
  }
  return make_whole_texts(texts, first_alike(q.choices, q.gold));
}

}  // namespace

std::vector<ChoiceItem> parse_arc(const BenchmarkText& text, Protocol protocol) {
  return parse_questions(text, [&](const JsonItem&, const Question& q) {
    if (protocol == Protocol::kGptVariations) return question_and_answer(q, "Question: ");
    return make_item("Question: " + q.stem + "\nAnswer:", q.choices, q.gold);
  });
}

std::vector<ChoiceItem> parse_openbookqa(const BenchmarkText& text, Protocol) {
  return parse_questions(text, [&](const JsonItem&, const Question& q) {
    return make_item(q.stem, q.choices, q.gold);
  });
}

// The texts stand in the context, behind letters, and the letters are the choices.
std::vector<ChoiceItem> parse_commonsense_qa(const BenchmarkText& text, Protocol protocol) {
  return parse_questions(text, [&](const JsonItem& json, const Question& q) {
    const std::vector<std::string> letters = {"A", "B", "C", "D", "E"};
    if (q.labels != letters) {
      fail("[benchmark] {}: {} choices, expected five, A to E; is it the file of another task?",
           json.where(), q.labels.size());
    }
    if (protocol == Protocol::kGptVariations) return question_and_answer(q, "");
    std::string context = "Question: " + std::string(strip(q.stem));
    for (size_t i = 0; i < letters.size(); ++i) {
      context += "\n" + letters[i] + ". " + q.choices[i];
    }
    return make_item(context + "\nAnswer:", letters, q.gold);
  });
}

}  // namespace lathe
