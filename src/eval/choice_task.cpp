#include "eval/choice_task.h"

#include <nlohmann/json.hpp>

#include "base/duration.h"
#include "base/error.h"
#include "eval/shots.h"

namespace lathe {

namespace {

void draw_examples(const Benchmark& b, const ChoiceOptions& options, ChoiceTask& task) {
  LoadedItems train = load_train_items(b, options.data);
  const std::string from = train.items.empty()
                               ? format(
                                     "the {} split itself, never the item that is asked ({} has "
                                     "no training file there)",
                                     task.split, b.name)
                               : train.path;
  task.notes.push_back(
      format("{}: {} examples a question out of {}, drawn by the harness's "
             "generator with its seed 1234",
             b.name, options.shots, from));
  add_shots(task.items, train.items, options.shots, b.scored.name != "test");
}

}  // namespace

ChoiceTask load_choice_task(const Benchmark& b, const ChoiceOptions& options) {
  if (options.protocol == Protocol::kGptVariations) {
    if (!b.in_original) {
      fail("[eval] gpt-variations has no task '{}'; leave out --protocol", b.name);
    }
    if (options.shots > 0) fail("[eval] gpt-variations shows no examples; leave out --shots");
  }
  LoadedItems loaded = load_items(b, options.data, options.protocol);
  ChoiceTask task{&b, options, loaded.split, std::move(loaded.items), {}};
  if (!loaded.note.empty()) task.notes.push_back(loaded.note);
  if (options.shots > 0) draw_examples(b, options, task);
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
  return {std::string(task.benchmark->name), std::string(name_of(task.options.protocol)),
          model.hash, task.options.shots};
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
