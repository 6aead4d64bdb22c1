#include "eval/benchmarks.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/error.h"

namespace lathe {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMmluSubjects[] = {"abstract_algebra",
                                              "anatomy",
                                              "astronomy",
                                              "business_ethics",
                                              "clinical_knowledge",
                                              "college_biology",
                                              "college_chemistry",
                                              "college_computer_science",
                                              "college_mathematics",
                                              "college_medicine",
                                              "college_physics",
                                              "computer_security",
                                              "conceptual_physics",
                                              "econometrics",
                                              "electrical_engineering",
                                              "elementary_mathematics",
                                              "formal_logic",
                                              "global_facts",
                                              "high_school_biology",
                                              "high_school_chemistry",
                                              "high_school_computer_science",
                                              "high_school_european_history",
                                              "high_school_geography",
                                              "high_school_government_and_politics",
                                              "high_school_macroeconomics",
                                              "high_school_mathematics",
                                              "high_school_microeconomics",
                                              "high_school_physics",
                                              "high_school_psychology",
                                              "high_school_statistics",
                                              "high_school_us_history",
                                              "high_school_world_history",
                                              "human_aging",
                                              "human_sexuality",
                                              "international_law",
                                              "jurisprudence",
                                              "logical_fallacies",
                                              "machine_learning",
                                              "management",
                                              "marketing",
                                              "medical_genetics",
                                              "miscellaneous",
                                              "moral_disputes",
                                              "moral_scenarios",
                                              "nutrition",
                                              "philosophy",
                                              "prehistory",
                                              "professional_accounting",
                                              "professional_law",
                                              "professional_medicine",
                                              "professional_psychology",
                                              "public_relations",
                                              "security_studies",
                                              "sociology",
                                              "us_foreign_policy",
                                              "virology",
                                              "world_religions"};

const std::vector<Benchmark> kBenchmarks = {
    {.name = "hellaswag",
     .folder = "hellaswag",
     .scored = {"validation", {"hellaswag_val.jsonl", "hellaswag_val_activitynet_3243.txt"}},
     .train = {"train", {"hellaswag_train.jsonl"}},
     .original = {},
     .parse = parse_hellaswag,
     .in_original = true},
    {.name = "winogrande",
     .folder = "winogrande",
     .scored = {"validation", {"dev.jsonl"}, "dev-labels.lst"},
     .train = {"train",
               {"train_xl.jsonl", "train_l.jsonl", "train_m.jsonl", "train_s.jsonl",
                "train_xs.jsonl"}},
     .original = {},
     .parse = parse_winogrande,
     .in_original = true,
     .has_norm = false,
     .is_noise = true},
    {.name = "commonsense_qa",
     .folder = "commonsense_qa",
     .scored = {"validation", {"dev_rand_split.jsonl"}},
     .train = {"train", {"train_rand_split.jsonl"}},
     .original = {},
     .parse = parse_commonsense_qa,
     .in_original = true,
     .has_norm = false},
    {.name = "anli_r1",
     .folder = "anli",
     .scored = {"test", {"R1/test.jsonl"}},
     .train = {"train", {"R1/train.jsonl"}},
     .original = {"dev", {"R1/dev.jsonl"}},
     .parse = parse_anli,
     .in_original = true,
     .has_norm = false},
    {.name = "anli_r2",
     .folder = "anli",
     .scored = {"test", {"R2/test.jsonl"}},
     .train = {"train", {"R2/train.jsonl"}},
     .original = {},
     .parse = parse_anli,
     .has_norm = false},
    {.name = "anli_r3",
     .folder = "anli",
     .scored = {"test", {"R3/test.jsonl"}},
     .train = {"train", {"R3/train.jsonl"}},
     .original = {},
     .parse = parse_anli,
     .has_norm = false},
    {.name = "piqa",
     .folder = "piqa",
     .scored = {"validation", {"valid.jsonl"}, "valid-labels.lst"},
     .train = {"train", {"train.jsonl"}, "train-labels.lst"},
     .original = {},
     .parse = parse_piqa,
     .in_original = true},
    {.name = "copa",
     .folder = "copa",
     .scored = {"validation", {"val.jsonl", "dev_small.jsonl"}},
     .train = {"train", {"train.jsonl"}},
     .original = {},
     .parse = parse_copa,
     .in_original = true,
     .has_norm = false,
     .is_noise = true},
    {.name = "arc_easy",
     .folder = "arc_easy",
     .scored = {"test", {"ARC-Easy-Test.jsonl"}},
     .train = {"train", {"ARC-Easy-Train.jsonl"}},
     .original = {"validation", {"ARC-Easy-Dev.jsonl"}},
     .parse = parse_arc,
     .in_original = true},
    {.name = "arc_challenge",
     .folder = "arc_challenge",
     .scored = {"test", {"ARC-Challenge-Test.jsonl"}},
     .train = {"train", {"ARC-Challenge-Train.jsonl"}},
     .original = {},
     .parse = parse_arc},
    {.name = "openbookqa",
     .folder = "openbookqa",
     .scored = {"test", {"test.jsonl"}},
     .train = {"train", {"train.jsonl"}},
     .original = {},
     .parse = parse_openbookqa},
    {.name = "boolq",
     .folder = "boolq",
     .scored = {"validation", {"val.jsonl"}},
     .train = {"train", {"train.jsonl"}},
     .original = {},
     .parse = parse_boolq,
     .has_norm = false,
     .is_noise = true},
    {.name = "mmlu",
     .folder = "mmlu",
     .scored = {"test", {"test/{}_test.csv"}},
     .train = {"dev", {"dev/{}_dev.csv"}},
     .original = {},
     .parse = parse_mmlu,
     .has_norm = false,
     .subjects = kMmluSubjects,
     .preamble = "The following are multiple choice questions (with answers) about {}.\n\n",
     .first_examples = true},
};

struct Source {
  std::string path, labels_path;
  std::string items, labels;
  bool has_labels = false;

  BenchmarkText text() const { return {items, path, labels, labels_path, has_labels}; }
};

std::string with_subject(std::string_view pattern, std::string_view subject) {
  std::string text(pattern);
  const size_t at = text.find("{}");
  return at == std::string::npos ? text : text.replace(at, 2, subject);
}

// Nothing where none of the split's files is there.
bool read_split(const std::string& folder, const SplitFiles& split, std::string_view subject,
                Source& source) {
  std::error_code ignored;
  for (const std::string_view file : split.files) {
    source.path = folder + "/" + with_subject(file, subject);
    if (!fs::exists(source.path, ignored)) continue;
    source.items = read_text_file(source.path);
    if (!split.labels.empty()) {
      source.labels_path = folder + "/" + std::string(split.labels);
      source.has_labels = fs::exists(source.labels_path, ignored);
      if (source.has_labels) source.labels = read_text_file(source.labels_path);
    }
    return true;
  }
  return false;
}

std::string names_of_files(const SplitFiles& split, std::string_view subject = {}) {
  std::string names;
  for (const std::string_view file : split.files) {
    names += (names.empty() ? "" : " or ") + with_subject(file, subject);
  }
  return names;
}

std::vector<ChoiceItem> parse_all(const Benchmark& b, const Source& source, Protocol protocol) {
  std::vector<ChoiceItem> items = b.parse(source.text(), protocol);
  if (items.empty()) fail("[benchmark] {}: no items, expected some", source.path);
  for (size_t i = 0; i < items.size(); ++i) items[i].doc = static_cast<i64>(i);
  return items;
}

bool is_of(const KnownSplit& split, const KnownSplit& found) {
  return split.all != 0 &&
         (split.all == found.all || split.first == found.first || split.last == found.last);
}

// Whether items are the whole of the split that is wanted. Of items that nobody knows only their
// number can be judged; what is to be said of them is returned.
std::string check_split(const Benchmark& b, const SplitFiles& wanted, const Source& source,
                        std::span<const ChoiceItem> items) {
  const KnownSplit found = describe_split(items);
  const KnownSplit* cut = nullptr;    // the wanted split, and something is missing or changed
  const KnownSplit* other = nullptr;  // another one, of a benchmark in this form
  i64 most = 0;
  bool has_unknown = false;
  for (const KnownSplit& split : known_splits()) {
    const bool is_wanted = split.benchmark == b.name && split.name == wanted.name;
    if (is_wanted && split.all == found.all) return "";
    if (is_wanted) {
      most = std::max(most, split.n_items);
      has_unknown |= split.all == 0;
    }
    if (!is_of(split, found)) continue;
    if (is_wanted) cut = &split;
    const bool same_form = find_benchmark(split.benchmark)->parse == b.parse;
    // Splits of one benchmark may share items.
    if (!is_wanted && same_form && (!other || split.all == found.all)) other = &split;
  }
  if (cut && !(other && other->all == found.all)) {
    fail(
        "[benchmark] {}: {} items, some of them changed or missing; expected the {} of the {} "
        "split; copy the file again",
        source.path, found.n_items, cut->n_items, wanted.name);
  }
  if (other) {
    fail("[benchmark] {}: these are items of {}'s {} split, expected {}'s {} split ({})",
         source.path, other->benchmark, other->name, b.name, wanted.name, names_of_files(wanted));
  }
  if (most == 0) return "";
  if (found.n_items > most) {
    fail("[benchmark] {}: {} items, expected the {} of {}'s {} split; is it another split?",
         source.path, found.n_items, most, b.name, wanted.name);
  }
  if (found.n_items == most && has_unknown) return "";
  return format(
      "{}: these {} items are not {}'s {} split of {}, as far as lathe knows it: figures "
      "do not compare with others'",
      source.path, found.n_items, b.name, wanted.name, most);
}

}  // namespace

std::span<const Benchmark> benchmarks() { return kBenchmarks; }

const Benchmark* find_benchmark(std::string_view name) {
  for (const Benchmark& b : kBenchmarks) {
    if (b.name == name) return &b;
  }
  return nullptr;
}

uint64_t hash_of(const ChoiceItem& item) {
  uint64_t hash = content_hash(static_cast<uint64_t>(item.gold), 0);
  for (const Choice& choice : item.choices) {
    hash = content_hash(choice.continuation, content_hash(choice.context, hash));
  }
  return hash;
}

KnownSplit describe_split(std::span<const ChoiceItem> items) {
  KnownSplit split{"", "", static_cast<i64>(items.size())};
  for (const ChoiceItem& item : items) {
    split.last = hash_of(item);
    if (split.first == 0) split.first = split.last;
    split.all = content_hash(split.last, split.all);
  }
  return split;
}

LoadedItems load_items(const Benchmark& b, const std::string& data, Protocol protocol,
                       std::string_view subject) {
  const bool original = protocol == Protocol::kGptVariations;
  const SplitFiles& split = original && !b.original.files.empty() ? b.original : b.scored;
  const std::string folder = data + "/" + std::string(b.folder);
  Source source;
  if (!read_split(folder, split, subject, source)) {
    fail(
        "[benchmark] no {} in '{}', expected the {} split of {}; --data names the folder with '{}'",
        names_of_files(split, subject), folder, split.name, b.name, b.folder);
  }
  std::vector<ChoiceItem> items = parse_all(b, source, Protocol::kHarness);
  const std::string note = check_split(b, split, source, items);
  if (original) items = parse_all(b, source, protocol);
  return {std::string(split.name), source.path, std::move(items), note};
}

LoadedItems load_train_items(const Benchmark& b, const std::string& data,
                             std::string_view subject) {
  Source source;
  if (!read_split(data + "/" + std::string(b.folder), b.train, subject, source)) return {};
  return {std::string(b.train.name), source.path, parse_all(b, source, Protocol::kHarness), ""};
}

}  // namespace lathe
