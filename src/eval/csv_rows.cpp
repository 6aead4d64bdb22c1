#include "eval/csv_rows.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace lathe {

namespace {

class CsvReader {
 public:
  CsvReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  bool next(CsvRow& row) {
    while (!rest_.empty() && (rest_[0] == '\n' || rest_.starts_with("\r\n"))) take_line_end();
    if (rest_.empty()) return false;
    row = {{}, line_};
    for (;;) {
      row.fields.push_back(!rest_.empty() && rest_[0] == '"' ? quoted() : plain());
      if (rest_.empty()) return true;
      if (rest_[0] == ',') {
        rest_.remove_prefix(1);
        continue;
      }
      take_line_end();
      return true;
    }
  }

 private:
  void take_line_end() {
    rest_.remove_prefix(rest_[0] == '\r' ? 2 : 1);
    ++line_;
  }

  std::string plain() {
    size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
    if (end < rest_.size() && rest_[end] == '\n' && end > 0 && rest_[end - 1] == '\r') --end;
    const std::string field(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return field;
  }

  std::string quoted() {
    const i64 begin = line_;
    std::string field;
    rest_.remove_prefix(1);
    for (;;) {
      const size_t end = rest_.find('"');
      if (end == std::string_view::npos) {
        fail("[benchmark] {}:{}: a quote without an end; is the file cut?", where_, begin);
      }
      field += rest_.substr(0, end);
      line_ += std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(end), '\n');
      rest_.remove_prefix(end + 1);
      if (!rest_.starts_with('"')) break;
      field += '"';
      rest_.remove_prefix(1);
    }
    if (!rest_.empty() && rest_[0] != ',' && rest_[0] != '\n' && !rest_.starts_with("\r\n")) {
      fail("[benchmark] {}:{}: text behind a quoted field, expected a comma or the line's end",
           where_, line_);
    }
    return field;
  }

  std::string_view rest_;
  const std::string& where_;
  i64 line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view bytes, const std::string& where) {
  const size_t readable = valid_utf8_prefix(bytes);
  if (readable != bytes.size()) {
    const i64 line =
        1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(readable), '\n');
    fail("[benchmark] {}:{}: not UTF-8", where, line);
  }
  std::vector<CsvRow> rows;
  CsvReader reader(bytes, where);
  for (CsvRow row; reader.next(row);) rows.push_back(std::move(row));
  return rows;
}

}  // namespace lathe
