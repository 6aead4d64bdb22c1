#include "base/error.h"
#include "eval/benchmarks/parsers.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace lathe {

ChoiceItem make_item(const std::string& context, const std::vector<std::string>& choices,
                     size_t gold) {
  ChoiceItem item;
  item.gold = gold;
  for (const std::string& choice : choices) {
    item.choices.push_back({context, " " + choice, count_code_points(choice)});
  }
  return item;
}

ChoiceItem make_whole_texts(const std::vector<std::string>& texts, size_t gold) {
  ChoiceItem item;
  item.gold = gold;
  for (const std::string& text : texts) {
    item.choices.push_back({"", text, count_code_points(text)});
  }
  return item;
}

std::vector<size_t> parse_label_lines(std::string_view bytes, const std::string& where,
                                      size_t n_items, size_t first, size_t n_choices) {
  std::vector<size_t> labels;
  for (const std::string_view line : split_lines(bytes)) {
    const bool is_digit = line.size() == 1 && line[0] >= '0' && line[0] <= '9';
    const size_t value = is_digit ? static_cast<size_t>(line[0] - '0') : 10;
    if (value < first || value - first >= n_choices) {
      fail("[benchmark] {}:{}: found '{}', expected a label from {} to {}", where,
           labels.size() + 1, line.substr(0, 40), first, first + n_choices - 1);
    }
    labels.push_back(value - first);
  }
  if (labels.size() != n_items) {
    fail("[benchmark] {}: {} labels, expected {}, one for each item beside it; is the file whole?",
         where, labels.size(), n_items);
  }
  return labels;
}

}  // namespace lathe
