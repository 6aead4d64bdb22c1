// The files of multiple-choice benchmarks, every form, and the log of items. Input: a letter that
// chooses the benchmark (or 'z': the log), '0' or '1' for labels beside it, then the file; after a
// NUL the labels.
#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/benchmarks.h"
#include "eval/item_log.h"
#include "eval/shots.h"
#include "fuzz/fuzz.h"

using namespace lathe;

namespace {

void check_items(std::vector<ChoiceItem> items) {
  for (const ChoiceItem& item : items) {
    FUZZ_CHECK(item.choices.size() >= 2);
    FUZZ_CHECK(item.gold < item.choices.size());
    for (const Choice& choice : item.choices) {
      FUZZ_CHECK(!choice.continuation.empty());
      FUZZ_CHECK(choice.n_characters >= 0);
      for (const std::string& text : {choice.context, choice.continuation}) {
        FUZZ_CHECK(valid_utf8_prefix(text) == text.size());
      }
    }
  }
  if (items.size() > 20) return;
  try {
    add_shots(items, {}, 1, true);
  } catch (const Error&) {  // too few, or all alike
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::as_text(data, size);
  if (input.size() < 2) return 0;
  const std::string_view rest = input.substr(2);
  const size_t cut = std::min(rest.find('\0'), rest.size());
  const BenchmarkText text{rest.substr(0, cut), "items",
                           rest.substr(std::min(cut + 1, rest.size())), "labels", input[1] == '1'};
  try {
    if (input[0] == 'z') {
      size_t cut_at = 0;
      for (const LoggedItem& item : parse_item_lines(rest, "log", cut_at)) {
        FUZZ_CHECK(item.gold < item.scores.size());
      }
      FUZZ_CHECK(cut_at <= rest.size());
    } else {
      const auto at = static_cast<size_t>(static_cast<unsigned char>(input[0]) - 'a');
      if (at >= benchmarks().size()) return 0;
      for (const Protocol protocol : kValuesOf<Protocol>) {
        check_items(benchmarks()[at].parse(text, protocol));
      }
    }
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  const auto letter = [](std::string_view name) {
    for (size_t i = 0; i < benchmarks().size(); ++i) {
      if (benchmarks()[i].name == name) return std::string(1, static_cast<char>('a' + i));
    }
    return std::string();
  };
  const std::string five =
      R"({"question":{"stem":" a?","choices":[{"label":"A","text":"x"},{"label":"B","text":"y"},{"label":"C","text":"z"},{"label":"D","text":"u"},{"label":"E","text":"v"}]},"answerKey":"C"})"
      "\n";
  return {
      letter("hellaswag") + "0" +
          R"({"activity_label":"A [x]","ctx_a":"b  [title] c.","ctx_b":"D e","endings":["f [g] h","i","j","k"],"label":"3","split":"val"})"
          "\n",
      letter("hellaswag") + "0A: b. c\n2\nd\ne\nf\ng\nA: h\n0\ni\nj\nk\nl\n",
      letter("winogrande") + "1" +
          R"({"sentence":"a _ b.","option1":"c","option2":"d","answer":"2"})" + "\n" +
          std::string(1, '\0') + "2\n",
      letter("commonsense_qa") + "0" + five,
      letter("arc_easy") + "0" + five + five,
      letter("openbookqa") + "0" + five,
      letter("anli_r1") + "0" + R"({"context":"a","hypothesis":"b","label":"n"})" + "\n",
      letter("piqa") + "1" + R"({"goal":"a","sol1":"b","sol2":"b"})" + "\n" + std::string(1, '\0') +
          "1\n",
      letter("copa") + "0" +
          R"({"premise":"a.","choice1":"B","choice2":"\u00c9","question":"effect","label":1})" +
          "\n",
      letter("mmlu") + "0" + "\"a \"\"b\"\",\nc\",d,e,f,g,B\r\nh,i,j,k,l,D\n",
      letter("boolq") + "0" + R"({"question":"a","passage":"b","label":false})" + "\n",
      std::string("z0") +
          R"({"task":"piqa","doc":3,"gold":1,"log_likelihoods":[-1.5,-2],"predictions":{"acc":0},"protocol":"harness","shots":0,"model":"0123456789abcdef"})"
          "\n{\"task\":",
  };
}
