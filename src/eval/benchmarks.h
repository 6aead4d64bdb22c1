// The multiple-choice benchmarks, by name: one table of their files, forms and figures.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/benchmarks/parsers.h"

namespace lathe {

// A split that is known by its content: of how many items, and the hashes of all of them, of the
// first and of the last. 0: not known here.
struct KnownSplit {
  std::string_view benchmark, name;
  i64 n_items = 0;
  uint64_t all = 0, first = 0, last = 0;
};

// The files of a split, in the benchmark's folder: the first of the names that there is.
struct SplitFiles {
  std::string_view name;
  std::vector<std::string_view> files;
  std::string_view labels = {};  // the right answers, where they have a file of their own
};

// One row a benchmark.
struct Benchmark {
  std::string_view name, folder;
  SplitFiles scored;    // the split that the harness takes
  SplitFiles train;     // that examples are drawn from
  SplitFiles original;  // the one that gpt-variations scores; no name: `scored`, or it has no such
                        // task
  ParseItems parse;
  bool in_original = false;  // among gpt-variations' seven
  bool has_norm = true;      // whether acc_norm is among the harness's own figures
  // Small models do not get away from chance: the figure that still tells them apart is bits per
  // byte.
  bool is_noise = false;
  // Parts with files of their own, "{}" standing for the subject in their names: asked for as
  // NAME:SUBJECT, or all of them together.
  std::span<const std::string_view> subjects = {};
  std::string_view preamble = {};  // stands first, "{}" for the subject
  bool first_examples = false;     // examples are the training file's first ones, not drawn
};

std::span<const Benchmark> benchmarks();
// Null where there is none of that name.
const Benchmark* find_benchmark(std::string_view name);

struct LoadedItems {
  std::string split, path;
  std::vector<ChoiceItem> items;
  std::string note;  // what is to be said of them, or ""
};

// The items of the split that `protocol` scores, from `data`/FOLDER/FILE. Error where there is no
// such file, it is no whole one of its form, or its items are known to be of another split.
// `subject`: of a benchmark that has them.
LoadedItems load_items(const Benchmark& benchmark, const std::string& data, Protocol protocol,
                       std::string_view subject = {});
// The items that examples are drawn from, as the harness makes them; none where there is no such
// file.
LoadedItems load_train_items(const Benchmark& benchmark, const std::string& data,
                             std::string_view subject = {});

// What an item holds, as a number.
uint64_t hash_of(const ChoiceItem& item);
// Of all of them: what KnownSplit holds.
KnownSplit describe_split(std::span<const ChoiceItem> items);
// The splits that are known, of all benchmarks. HellaSwag's two forms are two splits of one name.
std::span<const KnownSplit> known_splits();

}  // namespace lathe
