#include "eval/item_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "eval/json_lines.h"

namespace lathe {

namespace {

LoggedItem read_item(const JsonItem& json) {
  LoggedItem item;
  item.origin = {json.text("task"), json.text("protocol"), json.text("model"), json.whole("shots")};
  item.doc = json.whole("doc");
  item.scores = json.numbers("log_likelihoods");
  if (item.doc < 0 || item.scores.size() < 2) {
    fail("[eval] {}: item {} with {} scores, expected an item of an evaluation", json.where(),
         item.doc, item.scores.size());
  }
  item.gold = json.index("gold", item.scores.size());
  return item;
}

std::string describe(const ItemOrigin& o) {
  return format("{}, protocol {}, {} shots, model {}", o.task, o.protocol, o.shots, o.model);
}

}  // namespace

std::vector<LoggedItem> parse_item_lines(std::string_view bytes, const std::string& where,
                                         size_t& cut_at) {
  const size_t last_end = bytes.rfind('\n');
  cut_at = last_end == bytes.npos ? 0 : last_end + 1;
  if (cut_at < bytes.size() && !bytes.substr(cut_at).starts_with("{\"task\":")) {
    const bool begun = std::string_view("{\"task\":").starts_with(bytes.substr(cut_at));
    if (!begun) {
      fail("[eval] {}: found '{}', expected items of an evaluation; give --items a file of its own",
           where, bytes.substr(cut_at, 40));
    }
  }
  std::vector<LoggedItem> items;
  read_json_lines(bytes.substr(0, cut_at), where,
                  [&](const JsonItem& json) { items.push_back(read_item(json)); });
  return items;
}

ItemLog::ItemLog(const std::string& path, std::span<const ItemOrigin> origins) : path_(path) {
  std::error_code ignored;
  size_t cut_at = 0;
  if (std::filesystem::is_regular_file(path, ignored)) {
    const std::string bytes = read_text_file(path);
    for (LoggedItem& item : parse_item_lines(bytes, path, cut_at)) {
      if (std::find(origins.begin(), origins.end(), item.origin) == origins.end()) {
        fail("[eval] {}: holds items of {}, expected {}; give --items another file", path,
             describe(item.origin), describe(origins[0]));
      }
      const auto key = std::make_pair(item.origin, item.doc);
      items_.insert_or_assign(key, std::move(item));
    }
    if (cut_at < bytes.size()) {
      std::filesystem::resize_file(path, cut_at, ignored);
      if (ignored) fail("[eval] cannot shorten {}: {}", path, ignored.message());
    }
  }
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) fail_errno("[eval] cannot write " + path);
}

const std::vector<double>* ItemLog::find(const ItemOrigin& origin, const ChoiceItem& item) const {
  const auto at = items_.find({origin, item.doc});
  if (at == items_.end()) return nullptr;
  const LoggedItem& logged = at->second;
  if (logged.gold != item.gold || logged.scores.size() != item.choices.size()) {
    fail(
        "[eval] {}: item {} of {} has {} choices and the right one is {}, expected {} and {}; "
        "is it of other data? give --items another file",
        path_, item.doc, origin.task, logged.scores.size(), logged.gold, item.choices.size(),
        item.gold);
  }
  return &logged.scores;
}

void ItemLog::append(const ItemOrigin& origin, const ChoiceItem& item, const EncodedItem& encoded,
                     std::span<const double> scores) {
  const Predictions p = predict(item, encoded, scores);
  Json line;
  line["task"] = origin.task;
  line["doc"] = item.doc;
  line["gold"] = item.gold;
  line["log_likelihoods"] = scores;
  line["predictions"] = {{"acc", p.plain}};
  if (!encoded.requests.empty()) {
    line["predictions"]["acc_norm"] = p.per_character;
    line["predictions"]["acc_token_norm"] = p.per_token;
  }
  line["protocol"] = origin.protocol;
  line["shots"] = origin.shots;
  line["model"] = origin.model;
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) {
    fail_errno("[eval] cannot write " + path_);
  }
}

void ItemLog::flush() {
  if (std::fflush(file_.get()) != 0) fail_errno("[eval] cannot write " + path_);
}

}  // namespace lathe
