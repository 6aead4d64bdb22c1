// The benchmarks' original files, one parser a form: what the harness makes of a document, and what
// the scripts of gpt-variations make of it. Every function is an Error, naming file and line, for
// bytes that are not whole or not of its form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/choice_item.h"

namespace lathe {

// The bytes of a benchmark's files, and what errors call them.
struct BenchmarkText {
  std::string_view items;
  std::string where;
  std::string_view labels = {};  // of the file with the right answers, one a line
  std::string labels_where = {};
  bool has_labels = false;  // there is such a file
};

using ParseItems = std::vector<ChoiceItem> (*)(const BenchmarkText& text, Protocol protocol);

// hellaswag_val.jsonl, or the same in six lines an item: "activity: context", the right ending's
// number, four endings. There the harness's ctx_b is what follows the context's last sentence.
std::vector<ChoiceItem> parse_hellaswag(const BenchmarkText& text, Protocol protocol);
// dev.jsonl; dev-labels.lst, where it is there, must agree.
std::vector<ChoiceItem> parse_winogrande(const BenchmarkText& text, Protocol protocol);
std::vector<ChoiceItem> parse_commonsense_qa(const BenchmarkText& text, Protocol protocol);
std::vector<ChoiceItem> parse_anli(const BenchmarkText& text, Protocol protocol);
// valid.jsonl with valid-labels.lst.
std::vector<ChoiceItem> parse_piqa(const BenchmarkText& text, Protocol protocol);
std::vector<ChoiceItem> parse_copa(const BenchmarkText& text, Protocol protocol);
// ARC's form: a stem, labelled choices, the right label.
std::vector<ChoiceItem> parse_arc(const BenchmarkText& text, Protocol protocol);
// The same form; the stem alone is the context.
std::vector<ChoiceItem> parse_openbookqa(const BenchmarkText& text, Protocol protocol);
// SuperGLUE's form: passage, question, label true or false.
std::vector<ChoiceItem> parse_boolq(const BenchmarkText& text, Protocol protocol);

// MMLU's CSV: question, four answers, the right one's letter.
std::vector<ChoiceItem> parse_mmlu(const BenchmarkText& text, Protocol protocol);

// Whole texts, each scored without a context: how most of gpt-variations' scripts ask.
ChoiceItem make_whole_texts(const std::vector<std::string>& texts, size_t gold);
// One number in [0, n_choices) a line, from `first` on. Error unless there are n_items.
std::vector<size_t> parse_label_lines(std::string_view bytes, const std::string& where,
                                      size_t n_items, size_t first, size_t n_choices);

}  // namespace lathe
