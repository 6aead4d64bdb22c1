// Benchmarks in MMLU's form: a question, four answers and the right one's letter, as CSV.
#include "base/error.h"
#include "eval/benchmarks/parsers.h"
#include "eval/csv_rows.h"
#include "eval/python_text.h"

namespace lathe {

std::vector<ChoiceItem> parse_mmlu(const BenchmarkText& text, Protocol) {
  const std::vector<std::string> letters = {"A", "B", "C", "D"};
  std::vector<ChoiceItem> items;
  for (const CsvRow& row : parse_csv(text.items, text.where)) {
    const auto& fields = row.fields;
    if (fields.size() != 6) {
      fail("[benchmark] {}:{}: {} fields, expected a question, four answers and a letter",
           text.where, row.line, fields.size());
    }
    size_t gold = 0;
    while (gold < letters.size() && letters[gold] != fields[5]) ++gold;
    if (gold == letters.size()) {
      fail("[benchmark] {}:{}: the right answer is '{}', expected A, B, C or D", text.where,
           row.line, fields[5]);
    }
    std::string context(strip(fields[0]));
    for (size_t i = 0; i < letters.size(); ++i) context += "\n" + letters[i] + ". " + fields[i + 1];
    items.push_back(make_item(context + "\nAnswer:", letters, gold));
  }
  return items;
}

}  // namespace lathe
