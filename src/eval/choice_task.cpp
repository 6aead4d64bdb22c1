#include "eval/choice_task.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/duration.h"
#include "base/error.h"
#include "eval/shots.h"

namespace lathe {

namespace {

// Puts the examples before a subject's items; what is to be said of them.
std::string add_examples(const Benchmark& b, const ChoiceOptions& options, const std::string& split,
                         std::string_view subject, std::vector<ChoiceItem>& items) {
  const LoadedItems train = load_train_items(b, options.data, subject);
  if (b.first_examples) {
    if (train.items.empty()) {
      fail("[eval] {} has no {} file of {} in '{}', which --shots takes its examples from", b.name,
           b.train.name, subject, options.data);
    }
    add_first_shots(items, train.items, options.shots);
    return format("{}: the first {} examples of each subject's {} file, as the harness has them",
                  b.name, options.shots, b.train.name);
  }
  const std::string from = train.items.empty()
                               ? format(
                                     "the {} split itself, never the item that is asked ({} has "
                                     "no training file there)",
                                     split, b.name)
                               : train.path;
  add_shots(items, train.items, options.shots, b.scored.name != "test");
  return format(
      "{}: {} examples a question out of {}, drawn by the harness's "
      "generator with its seed 1234",
      b.name, options.shots, from);
}

// "college biology" of college_biology, in the benchmark's preamble.
std::string preamble_of(const Benchmark& b, std::string_view subject) {
  std::string name(subject), text(b.preamble);
  std::replace(name.begin(), name.end(), '_', ' ');
  const size_t at = text.find("{}");
  return at == std::string::npos ? text : text.replace(at, 2, name);
}

void say_once(std::vector<std::string>& notes, const std::string& note) {
  if (note.empty() || std::find(notes.begin(), notes.end(), note) != notes.end()) return;
  notes.push_back(note);
}

}  // namespace

ChoiceTask load_choice_task(const Benchmark& b, const ChoiceOptions& options) {
  if (options.protocol == Protocol::kGptVariations) {
    if (!b.in_original) {
      fail("[eval] gpt-variations has no task '{}'; leave out --protocol", b.name);
    }
    if (options.shots > 0) fail("[eval] gpt-variations shows no examples; leave out --shots");
  }
  std::vector<std::string_view> subjects(b.subjects.begin(), b.subjects.end());
  if (subjects.empty() || !options.subject.empty()) subjects = {options.subject};
  ChoiceTask task{&b, options, "", {}, {}};
  for (const std::string_view subject : subjects) {
    LoadedItems loaded = load_items(b, options.data, options.protocol, subject);
    task.split = loaded.split;
    say_once(task.notes, loaded.note);
    if (options.shots > 0) {
      say_once(task.notes, add_examples(b, options, loaded.split, subject, loaded.items));
    }
    const std::string preamble = preamble_of(b, subject);
    for (ChoiceItem& item : loaded.items) {
      for (Choice& choice : item.choices) choice.context.insert(0, preamble);
      item.doc = static_cast<i64>(task.items.size());
      task.items.push_back(std::move(item));
    }
  }
  if (options.limit > 0 && options.limit < static_cast<i64>(task.items.size())) {
    task.items.resize(static_cast<size_t>(options.limit));
  }
  return task;
}

std::string request_lines(const ChoiceTask& task, bool with_name) {
  std::string lines;
  for (const ChoiceItem& item : task.items) {
    for (size_t i = 0; i < item.choices.size(); ++i) {
      Json line;
      if (with_name) line["task"] = task.benchmark->name;
      line["doc"] = item.doc;
      line["choice"] = i;
      line["context"] = item.choices[i].context;
      line["continuation"] = item.choices[i].continuation;
      line["gold"] = item.gold;
      lines += line.dump() + "\n";
    }
  }
  return lines;
}

std::vector<EncodedItem> encode_task(const ChoiceTask& task, const Examinee& model) {
  return encode_items(task.items, task.options.protocol, model.tokenizer, model.begin_token,
                      model.scorer.context_length(),
                      format("{}: {}", model.directory, task.benchmark->name));
}

ItemOrigin origin_of(const ChoiceTask& task, const Examinee& model) {
  const std::string& subject = task.options.subject;
  return {std::string(task.benchmark->name) + (subject.empty() ? "" : ":" + subject),
          std::string(name_of(task.options.protocol)), model.hash, task.options.shots};
}

FigureRows run_choice_task(const ChoiceTask& task, std::span<const EncodedItem> encoded,
                           const Examinee& model, ItemLog* log,
                           const std::function<void(const std::string&)>& on_progress) {
  const ItemOrigin origin = origin_of(task, model);
  FigureRows rows(task.items.size());
  std::vector<size_t> asked;
  std::vector<const EncodedItem*> tokens;
  for (size_t i = 0; i < task.items.size(); ++i) {
    const std::vector<double>* known = log ? log->find(origin, task.items[i]) : nullptr;
    if (known) {
      rows[i] = figures_of(task.items[i], encoded[i], *known);
    } else {
      asked.push_back(i);
      tokens.push_back(&encoded[i]);
    }
  }
  const size_t n_known = task.items.size() - asked.size();
  score_items(
      model.scorer, tokens,
      [&](size_t first, std::span<const std::vector<double>> scores, double, double seconds_left) {
        for (size_t n = 0; n < scores.size(); ++n) {
          const size_t i = asked[first + n];
          rows[i] = figures_of(task.items[i], encoded[i], scores[n]);
          if (log) log->append(origin, task.items[i], encoded[i], scores[n]);
        }
        if (log) log->flush();
        on_progress(format("{}: {} of {} items, {} left", task.benchmark->name,
                           n_known + first + scores.size(), task.items.size(),
                           duration_text(seconds_left)));
      });
  return rows;
}

Json task_json(const ChoiceTask& task, const FigureRows& rows) {
  Json out;
  out["n"] = rows.size();
  out.update(summarise(rows));
  out["split"] = task.split;
  out["shots"] = task.options.shots;
  out["protocol"] = name_of(task.options.protocol);
  if (task.options.protocol == Protocol::kGptVariations && !rows.empty() && rows[0].size() == 1) {
    out["invalid"] =
        "sums ln p over all positions and the whole vocabulary, and never looks at the "
        "answer's tokens";
  }
  if (task.benchmark->is_noise) {
    out["noise"] = "accuracies of small models are at chance here; bits_per_byte tells them apart";
  }
  return out;
}

}  // namespace lathe
