// The benchmarks' files: the requests they become and what is refused. That all requests of the
// real files are the harness's was checked against lm_eval; the hashes of the splits hold it.
#include "eval/benchmarks.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "base/atomic_file.h"
#include "eval/choice_task.h"
#include "eval/tasks.h"
#include "support/error_text.h"
#include "support/shared_data.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;

std::vector<ChoiceItem> parse(ParseItems parser, const std::string& items,
                              Protocol protocol = Protocol::kHarness) {
  return parser({items, "FILE"}, protocol);
}

std::vector<ChoiceItem> parse_with_labels(ParseItems parser, const std::string& items,
                                          const std::string& labels,
                                          Protocol protocol = Protocol::kHarness) {
  return parser({items, "FILE", labels, "LABELS", true}, protocol);
}

const std::string kHellaswag =
    R"({"activity_label": "A  b", "ctx_a": "One [x] two.", "ctx_b": "the MAN", "endings": ["[tag] a", "b [title] c", " d ", "e"], "label": "2", "split": "val"})"
    "\n";
const std::string kQuestion =
    R"({"id": "1", "question": {"stem": " Why? ", "choices": [{"text": "a", "label": "1"}, {"text": "bc", "label": "2"}]}, "answerKey": "2"})"
    "\n";

TEST_CASE("hellaswag: contexts and endings are the harness's, from both forms") {
  const auto items = parse(parse_hellaswag, kHellaswag);
  REQUIRE(items.size() == 1);
  const auto& choices = items[0].choices;
  REQUIRE(choices.size() == 4);
  CHECK(choices[0].context == "A b: One two. The man");
  CHECK(choices[0].continuation == "  a");  // what the tag leaves
  CHECK(choices[0].n_characters == 2);
  CHECK(choices[1].continuation == " b. c");
  CHECK(choices[2].continuation == " d");
  CHECK(items[0].gold == 2);
  const auto lines = parse(parse_hellaswag, "A: One. Two! the b\n3\nw\nx\ny\nz\n");
  CHECK(lines[0].choices[3] == Choice{"A: One. Two! The b", " z", 1});
  CHECK(lines[0].gold == 3);
  CHECK(parse(parse_hellaswag, "A: no end\n0\nw\nx\ny\nz")[0].choices[0].context == "A: No end");
  const auto original =
      parse(parse_hellaswag, "A: One. the b\n3\nw\nx\ny\nz\n", Protocol::kGptVariations);
  CHECK(original[0].choices[0].context == "One. the b");
}

TEST_CASE("winogrande: the options are in the contexts, and what follows the blank is scored") {
  const std::string line =
      R"({"sentence": "He or she, _ 's ill. ", "option1": "he", "option2": "she", "answer": "2"})";
  const auto items = parse_with_labels(parse_winogrande, line, "2\n");
  CHECK(items[0].choices[0].context == "He or she, he");
  CHECK(items[0].choices[1].context == "He or she, she");
  CHECK(items[0].choices[1].continuation == " 's ill.");
  CHECK(items[0].gold == 1);
  CHECK(parse(parse_winogrande, line, Protocol::kGptVariations)[0].choices[1].continuation ==
        "He or she, she 's ill. ");
  CHECK(contains(error_text([&] { parse_with_labels(parse_winogrande, line, "1\n"); }),
                 "LABELS:1: 1, but FILE:1 says 2"));
}

TEST_CASE("commonsense_qa, arc and openbookqa: letters, texts, the stem alone") {
  std::string five = kQuestion;
  five =
      R"({"question": {"stem": " Why? ", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}, {"text": "c", "label": "C"}, {"text": "d", "label": "D"}, {"text": "e", "label": "E"}]}, "answerKey": "D"})";
  const auto letters = parse(parse_commonsense_qa, five);
  CHECK(letters[0].choices[3] ==
        Choice{"Question: Why?\nA. a\nB. b\nC. c\nD. d\nE. e\nAnswer:", " D", 1});
  CHECK(letters[0].gold == 3);
  CHECK(parse(parse_commonsense_qa, five, Protocol::kGptVariations)[0].choices[1].continuation ==
        " Why?  Answer: b");
  const auto texts = parse(parse_arc, kQuestion);
  CHECK(texts[0].choices[1] == Choice{"Question:  Why? \nAnswer:", " bc", 2});
  CHECK(texts[0].gold == 1);
  CHECK(parse(parse_openbookqa, kQuestion)[0].choices[0].context == " Why? ");
  CHECK(contains(error_text([&] { parse(parse_commonsense_qa, kQuestion); }), "A to E"));
}

TEST_CASE("anli, piqa, copa, boolq: the harness's sentences") {
  const std::string anli = R"({"context": "P.", "hypothesis": "H.", "label": "c"})";
  const auto pairs = parse(parse_anli, anli);
  CHECK(pairs[0].choices[1] ==
        Choice{"P.\nQuestion: H. True, False, or Neither?\nAnswer:", " Neither", 7});
  CHECK(pairs[0].gold == 2);
  const auto original = parse(parse_anli, anli, Protocol::kGptVariations);
  CHECK(original[0].choices[2].continuation ==
        "Premise: P.. Hypothesis: H.. Premise neutral Hypothesis.");
  const std::string piqa = R"({"goal": "G", "sol1": "s ", "sol2": "t"})";
  const auto ways = parse_with_labels(parse_piqa, piqa, "1\n");
  CHECK(ways[0].choices[0] == Choice{"Question: G\nAnswer:", " s ", 2});
  CHECK(ways[0].gold == 1);
  const std::string copa =
      R"({"premise": "It rained. ", "choice1": "I left.", "choice2": "B", "question": "cause", "label": 0})";
  const auto causes = parse(parse_copa, copa);
  CHECK(causes[0].choices[0] == Choice{"It rained because", "  i left.", 8});
  CHECK(causes[0].gold == 0);
  const auto yes =
      parse(parse_boolq, R"({"question": "is it", "passage": "P", "idx": 0, "label": true})");
  CHECK(yes[0].choices[1] == Choice{"P\nQuestion: is it?\nAnswer:", " yes", 3});
  CHECK(yes[0].gold == 1);
}

TEST_CASE("benchmarks: what is wrong with a file is said with its line") {
  const auto says = [](ParseItems parser, const std::string& items, const std::string& part) {
    const std::string error = error_text([&] { parse(parser, items); });
    CAPTURE(error);
    CHECK(contains(error, part));
    CHECK(contains(error, "FILE"));
  };
  const auto swapped = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  says(parse_hellaswag, swapped(kHellaswag, "\"2\"", "\"4\""),
       "FILE:1: 'label' is 4, expected 0 to 3");
  says(parse_hellaswag, swapped(kHellaswag, "\"2\"", "-1"), "'label' is -1");
  says(parse_hellaswag, swapped(kHellaswag, "\"2\"", "\"\""), "expected a whole number");
  says(parse_hellaswag, swapped(kHellaswag, "val", "train"), "split 'train', expected 'val'");
  says(parse_hellaswag, swapped(kHellaswag, "\"e\"", "1"), "expected a list of texts");
  says(parse_hellaswag, swapped(kHellaswag, ", \"e\"", ""), "3 endings, expected 4");
  says(parse_hellaswag, kHellaswag + kHellaswag.substr(0, 40), "FILE:2: not valid JSON");
  says(parse_hellaswag, "A: b\n1\nw\nx\ny\n", "5 lines, expected a multiple of 6");
  says(parse_hellaswag, "A: b\n4\nw\nx\ny\nz\n", "the right ending is '4', expected 0 to 3");
  says(parse_hellaswag, "A b\n1\nw\nx\ny\nz\n", "expected 'activity: context'");
  says(parse_hellaswag, "A: b\n1\nw\n\ny\nz\n", "an empty line");
  says(parse_hellaswag, "A: \xff\n1\nw\nv\ny\nz\n", "no UTF-8");
  says(parse_arc, "[1]\n", "expected a JSON object");
  says(parse_arc, kHellaswag, "no 'question' (found: activity_label");
  says(parse_arc, swapped(kQuestion, "\"2\"}]", "\"B\"}]"),
       "'answerKey' is '2', expected one of 1, B");
  says(parse_arc, R"({"question": {"stem": "a", "choices": [1]}, "answerKey": "A"})",
       "a list of objects");
  says(parse_arc, R"({"question": {"stem": "a", "choices": []}, "answerKey": "A"})", "0 choices");
  says(parse_arc, R"({"question": "a"})", "expected an object");
  says(parse_winogrande, R"({"sentence": "a", "option1": "b", "option2": "c", "answer": "1"})",
       "no blank '_'");
  says(parse_winogrande, R"({"sentence": "_", "option1": "b", "option2": "c", "answer": ""})",
       "'answer' is \"\"");
  says(parse_winogrande, R"({"sentence": "_", "option1": "b", "option2": "c", "answer": 3})",
       "expected 1 or 2");
  says(parse_anli, R"({"context": "P", "hypothesis": "H", "label": "en"})", "expected e, n or c");
  says(parse_piqa, R"({"goal": "G", "sol1": "s", "sol2": "t"})",
       "the right answers are not beside it");
  says(parse_copa,
       R"({"premise": "a", "choice1": "b", "choice2": "c", "question": "why", "label": 1})",
       "cause or effect");
  says(parse_copa,
       R"({"premise": 1, "choice1": "b", "choice2": "c", "question": "cause", "label": 1})",
       "expected a text");
  says(parse_boolq, R"({"question": "a", "passage": "b", "label": 1})", "expected true or false");
  CHECK(contains(error_text([] { parse_label_lines("0\n2\n", "L", 2, 0, 2); }),
                 "L:2: found '2', expected a label from 0 to 1"));
  CHECK(contains(error_text([] { parse_label_lines("0\n\n", "L", 2, 0, 2); }), "L:2: found ''"));
  CHECK(
      contains(error_text([] { parse_label_lines("0\n", "L", 2, 0, 2); }), "1 labels, expected 2"));
}

TEST_CASE("mmlu: letters behind the question, the subject's preamble, its first examples") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir.file("mmlu/test"));
  std::filesystem::create_directories(dir.file("mmlu/dev"));
  const auto write = [&](const std::string& name, const std::string& text) {
    write_file_atomically(dir.file("mmlu/" + name), text);
  };
  write("test/college_biology_test.csv",
        "\" Which, \"\"x\"\"\nor y? \",a,\"b, c\",d,e,B\nq,1,2,3,4,D\r\n");
  write("dev/college_biology_dev.csv", "p,u,v,w,x,C\nr,5,6,7,8,A\ns,5,6,7,8,A\n");
  const auto load = [&](const std::string& subject, i64 shots = 0) {
    ChoiceOptions options;
    options.data = dir.path();
    options.subject = subject;
    options.shots = shots;
    return load_choice_task(*find_benchmark("mmlu"), options);
  };
  const std::string preamble =
      "The following are multiple choice questions (with answers) about college biology.\n\n";
  const std::string question = "Which, \"x\"\nor y?\nA. a\nB. b, c\nC. d\nD. e\nAnswer:";
  const ChoiceTask task = load("college_biology");
  REQUIRE(task.items.size() == 2);
  REQUIRE(task.items[0].choices.size() == 4);
  CHECK(task.items[0].choices[1] == Choice{preamble + question, " B", 1});
  CHECK(task.items[0].gold == 1);
  CHECK(task.items[1].gold == 3);
  CHECK(load("college_biology", 2).items[0].choices[0].context ==
        preamble +
            "p\nA. u\nB. v\nC. w\nD. x\nAnswer: C\n\n"
            "r\nA. 5\nB. 6\nC. 7\nD. 8\nAnswer: A\n\n" +
            question);
  CHECK(contains(error_text([&] { load("college_biology", 4); }), "there are 3"));
  CHECK(contains(error_text([&] { load(""); }), "abstract_algebra_test.csv"));  // all subjects
  for (const std::string_view subject : find_benchmark("mmlu")->subjects) {
    write("test/" + std::string(subject) + "_test.csv", "q,1,2,3,4,D\n");
  }
  const ChoiceTask all = load("");
  CHECK(all.items.size() == 57);
  CHECK(all.items[56].doc == 56);
  CHECK(contains(all.items[56].choices[0].context, "about world religions."));
  CHECK(contains(error_text([&] { load("", 1); }), "no dev file of abstract_algebra"));

  const auto refused = [&](const std::string& csv) {
    return error_text([&] { parse(parse_mmlu, csv); });
  };
  CHECK(contains(refused("q,1,2,3,4,E\n"), "FILE:1: the right answer is 'E'"));
  CHECK(contains(refused("\nq,1,2,3,D\n"), "FILE:2: 5 fields"));
  CHECK(contains(refused("\"q,1,2,3,4,D\n"), "FILE:1: a quote without an end"));
  CHECK(contains(refused("\"q\"x,1,2,3,4,D\n"), "FILE:1: text behind"));
  CHECK(contains(refused("\xff,1,2,3,4,D\n"), "FILE:1: not UTF-8"));
  CHECK(contains(error_text([] { parse_task("mmlu:anatomi"); }), "did you mean 'anatomy'"));
  CHECK(parse_task("mmlu:anatomy").argument == "anatomy");
}

TEST_CASE("benchmarks: names, files and known splits belong together") {
  std::set<std::string_view> names;
  for (const Benchmark& b : benchmarks()) {
    CHECK(names.insert(b.name).second);
    CHECK(find_benchmark(b.name) == &b);
  }
  CHECK(find_benchmark("nonsense") == nullptr);
  for (const KnownSplit& split : known_splits()) {
    CAPTURE(split.benchmark);
    CHECK(find_benchmark(split.benchmark) != nullptr);
  }
}

TEST_CASE("benchmarks: files of one's own are taken with a note, too many items are refused") {
  const test::TempDir dir;
  std::filesystem::create_directory(dir.file("openbookqa"));
  const auto write = [&](int n) {
    std::string lines;
    for (int i = 0; i < n; ++i) {
      std::string question = kQuestion;
      lines += question.replace(question.find("Why"), 3, std::to_string(i));
    }
    write_file_atomically(dir.file("openbookqa/test.jsonl"), lines);
  };
  const auto load = [&](ChoiceOptions options = {}) {
    options.data = dir.path();
    return load_choice_task(*find_benchmark("openbookqa"), options);
  };
  CHECK(contains(error_text(load), "no test.jsonl in"));
  write(3);
  const ChoiceTask task = load();
  CHECK(task.items.size() == 3);
  CHECK(task.items[2].doc == 2);
  REQUIRE(task.notes.size() == 1);
  CHECK(contains(task.notes[0], "3 items are not openbookqa's test split of 500"));
  CHECK(load({.limit = 2}).items.size() == 2);
  CHECK(contains(load({.shots = 1}).notes.back(), "never the item that is asked"));
  write_file_atomically(dir.file("openbookqa/train.jsonl"), kQuestion + kQuestion);
  CHECK(contains(load({.shots = 2}).notes.back(), "openbookqa/train.jsonl"));
  write(500);
  CHECK(load().notes.empty());
  write(501);
  CHECK(contains(error_text(load), "501 items, expected the 500"));
  write(0);
  CHECK(contains(error_text(load), "no items"));
  write(1);
  CHECK(contains(error_text([&] { load({.protocol = Protocol::kGptVariations}); }),
                 "gpt-variations has no task 'openbookqa'"));
  const ChoiceOptions both{dir.path(), Protocol::kGptVariations, 1, 0};
  CHECK(contains(error_text([&] { load_choice_task(*find_benchmark("piqa"), both); }),
                 "shows no examples"));
}

struct RealFile {
  const char* benchmark;
  const char* file;
  i64 n_requests;
};

TEST_CASE("benchmarks: the real files are known, whole, and refused under another's name or cut") {
  const std::string data = test::shared_path("data/benchmarks");
  if (data.empty()) return;
  const RealFile files[] = {{"hellaswag", "hellaswag_val_activitynet_3243.txt", 12972},
                            {"winogrande", "dev.jsonl", 2534},
                            {"commonsense_qa", "dev_rand_split.jsonl", 6105},
                            {"anli_r1", "R1/test.jsonl", 3000},
                            {"anli_r2", "R2/test.jsonl", 3000},
                            {"anli_r3", "R3/test.jsonl", 3600},
                            {"piqa", "valid.jsonl", 3676},
                            {"copa", "dev_small.jsonl", 200},
                            {"arc_easy", "ARC-Easy-Test.jsonl", 9501}};
  for (const RealFile& file : files) {
    CAPTURE(file.benchmark);
    const Benchmark& b = *find_benchmark(file.benchmark);
    ChoiceOptions options;
    options.data = data;
    const ChoiceTask task = load_choice_task(b, options);
    CHECK(task.notes.empty());
    i64 n = 0;
    for (const ChoiceItem& item : task.items) n += static_cast<i64>(item.choices.size());
    CHECK(n == file.n_requests);
    if (b.in_original) {
      options.protocol = Protocol::kGptVariations;
      CHECK(load_choice_task(b, options).notes.empty());
    }
  }
}

TEST_CASE("benchmarks: another split's file in the place of the harness's is found out") {
  const std::string data = test::shared_path("data/benchmarks");
  if (data.empty()) return;
  const test::TempDir dir;
  const auto error_of = [&](const std::string& name, const std::string& from, const std::string& to,
                            size_t keep) {
    std::filesystem::create_directories(std::filesystem::path(dir.file(to)).parent_path());
    const std::string bytes = read_text_file(data + "/" + from);
    write_file_atomically(dir.file(to), bytes.substr(0, std::min(keep, bytes.size())));
    return error_text([&] {
      ChoiceOptions options;
      options.data = dir.path();
      load_choice_task(*find_benchmark(name), options);
    });
  };
  const size_t all = std::string::npos;
  CHECK(contains(
      error_of("arc_easy", "arc_easy/ARC-Easy-Dev.jsonl", "arc_easy/ARC-Easy-Test.jsonl", all),
      "arc_easy's validation split, expected arc_easy's test split"));
  CHECK(contains(
      error_of("arc_easy", "arc_easy/ARC-Easy-Train.jsonl", "arc_easy/ARC-Easy-Test.jsonl", all),
      "arc_easy's train split"));
  CHECK(contains(error_of("anli_r1", "anli/R1/dev.jsonl", "anli/R1/test.jsonl", all),
                 "anli_r1's dev split"));
  CHECK(contains(error_of("anli_r1", "anli/R3/test.jsonl", "anli/R1/test.jsonl", all),
                 "anli_r3's test split"));
  CHECK(contains(error_of("copa", "copa/dev.jsonl", "copa/dev_small.jsonl", all),
                 "copa's dev split"));
  CHECK(contains(error_of("winogrande", "winogrande/train_xs.jsonl", "winogrande/dev.jsonl", all),
                 "winogrande's train split"));
  const std::string text = read_text_file(data + "/arc_easy/ARC-Easy-Test.jsonl");
  const size_t line = text.find('\n', text.size() / 2) + 1;
  const char* test_file = "arc_easy/ARC-Easy-Test.jsonl";
  CHECK(contains(error_of("arc_easy", test_file, test_file, line),
                 "expected the 2376 of the test split"));
  CHECK(contains(error_of("arc_easy", test_file, test_file, line + 9), "not valid JSON"));
}

}  // namespace
}  // namespace lathe
