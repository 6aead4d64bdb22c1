#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/benchmarks/parsers.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace lathe {

namespace {

// An item as the files have it. The whole context is `before` and `after`, a space between.
struct Continued {
  std::string activity, before, after;
  std::vector<std::string> endings;
  size_t gold = 0;
};

// Without every "[…]" that ends on its own line: the regular expression \[.*?\].
std::string without_tags(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text[0] == '[' ? text.find_first_of("]\n", 1) : text.npos;
    if (end != text.npos && text[end] == ']') {
      text.remove_prefix(end + 1);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string preprocessed(std::string_view text) {
  return replaced(without_tags(replaced(strip(text), " [title]", ". ")), "  ", " ");
}

ChoiceItem to_item(const Continued& c, Protocol protocol) {
  if (protocol == Protocol::kHarness) {
    std::vector<std::string> endings;
    for (const std::string& ending : c.endings) endings.push_back(preprocessed(ending));
    return make_item(preprocessed(c.activity + ": " + c.before + " " + capitalized(c.after)),
                     endings, c.gold);
  }
  return make_item(c.before + (c.before.empty() ? "" : " ") + c.after, c.endings, c.gold);
}

Continued from_json(const JsonItem& json) {
  if (json.has("split") && json.text("split") != "val") {
    fail("[benchmark] {}: an item of the split '{}', expected 'val'; give hellaswag_val.jsonl",
         json.where(), json.text("split"));
  }
  Continued c{json.text("activity_label"), json.text("ctx_a"), json.text("ctx_b"),
              json.texts("endings"), 0};
  if (c.endings.size() != 4) {
    fail("[benchmark] {}: {} endings, expected 4", json.where(), c.endings.size());
  }
  c.gold = json.index("label", c.endings.size());
  return c;
}

// Where the last sentence of a context ends, behind the space; 0 where none does.
size_t behind_last_sentence(std::string_view context) {
  size_t behind = 0;
  for (const std::string_view end : {". ", "! ", "? "}) {
    const size_t at = context.rfind(end);
    if (at != context.npos) behind = std::max(behind, at + end.size());
  }
  return behind;
}

Continued from_lines(std::span<const std::string_view> lines, const std::string& where) {
  const std::string_view first = lines[0];
  const size_t colon = first.find(": ");
  if (colon == first.npos) {
    fail(
        "[benchmark] {}: found '{}', expected 'activity: context'; is it the file of another task?",
        where, first.substr(0, 40));
  }
  const std::string_view context = first.substr(colon + 2);
  const size_t cut = behind_last_sentence(context);
  Continued c{std::string(first.substr(0, colon)),
              std::string(context.substr(0, cut > 0 ? cut - 1 : 0)),
              std::string(context.substr(cut)),
              {lines.begin() + 2, lines.begin() + 6},
              0};
  if (lines[1].size() != 1 || lines[1][0] < '0' || lines[1][0] > '3') {
    fail("[benchmark] {}: the right ending is '{}', expected 0 to 3", where,
         lines[1].substr(0, 40));
  }
  c.gold = static_cast<size_t>(lines[1][0] - '0');
  for (const std::string_view line : lines) {
    if (line.empty()) fail("[benchmark] {}: an empty line in an item of six", where);
  }
  return c;
}

}  // namespace

std::vector<ChoiceItem> parse_hellaswag(const BenchmarkText& text, Protocol protocol) {
  std::vector<ChoiceItem> items;
  const size_t begin = text.items.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (begin != text.items.npos && text.items[begin] == '{') {
    read_json_lines(text.items, text.where, [&](const JsonItem& json) {
      items.push_back(to_item(from_json(json), protocol));
    });
    return items;
  }
  if (valid_utf8_prefix(text.items) < text.items.size()) {
    fail("[benchmark] {}: byte {} is no UTF-8; is the file damaged?", text.where,
         valid_utf8_prefix(text.items));
  }
  const std::vector<std::string_view> lines = split_lines(text.items);
  if (lines.size() % 6 != 0) {
    fail("[benchmark] {}: {} lines, expected a multiple of 6: context, right ending, four endings",
         text.where, lines.size());
  }
  for (size_t i = 0; i < lines.size(); i += 6) {
    items.push_back(to_item(
        from_lines(std::span(lines).subspan(i, 6), format("{}:{}", text.where, i + 1)), protocol));
  }
  return items;
}

}  // namespace lathe
