// What `lathe eval --items FILE` writes, a line an item, and what an interrupted evaluation goes on
// from.
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "eval/figures.h"

namespace lathe {

// Whose items are meant: those of one task, asked in one way, of one model.
struct ItemOrigin {
  std::string task, protocol, model;  // model: the hash of what it computes with
  i64 shots = 0;
  auto operator<=>(const ItemOrigin&) const = default;
};

struct LoggedItem {
  ItemOrigin origin;
  i64 doc = 0;
  size_t gold = 0;
  std::vector<double> scores;  // a choice
};

// Whole lines of JSON. Error, naming the line, where one is no item; `cut_at` is where the last
// whole line ends.
std::vector<LoggedItem> parse_item_lines(std::string_view bytes, const std::string& where,
                                         size_t& cut_at);

class ItemLog {
 public:
  // Goes on with the file where it is there: a last line that was not finished is dropped. Error,
  // and the file stays as it is, where it holds anything but items of `origins`.
  ItemLog(const std::string& path, std::span<const ItemOrigin> origins);

  // The scores of an item that is there, null where it is not. Error where the item is another one.
  const std::vector<double>* find(const ItemOrigin& origin, const ChoiceItem& item) const;
  // Error where it cannot be written.
  void append(const ItemOrigin& origin, const ChoiceItem& item, const EncodedItem& encoded,
              std::span<const double> scores);
  // Hands on what has been appended, so that it is there when the process ends.
  void flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::map<std::pair<ItemOrigin, i64>, LoggedItem> items_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace lathe
