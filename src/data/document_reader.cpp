#include "data/document_reader.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/packing.h"
#include "data/parquet_reader.h"
#include "data/text_format.h"

namespace lathe {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool has_key(std::string_view line, const std::string& key) {
  const std::string quoted = '"' + key + '"';
  for (size_t at = line.find(quoted); at != line.npos; at = line.find(quoted, at + 1)) {
    if (trimmed(line.substr(at + quoted.size())).starts_with(':')) return true;
  }
  return false;
}

// {…, "text": …} by its outline: a record stays one where something in it is wrong.
bool looks_like_record(std::string_view line, const RecordKeys& keys) {
  line = trimmed(line);
  if (!line.starts_with('{') || !line.ends_with('}')) return false;
  return has_key(line, keys.text) || (has_key(line, keys.prompt) && has_key(line, keys.completion));
}

// Nothing where one of them is no file of its own: a pipe.
std::optional<i64> size_of(const std::vector<std::string>& files) {
  i64 sum = 0;
  for (const std::string& file : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
    sum += static_cast<i64>(std::filesystem::file_size(file, error));
    if (error) return std::nullopt;
  }
  return sum;
}

// A .json that is no JSON lines is refused; `line` is its first one that is not blank.
void check_json_file(std::string_view line, bool more_behind, const std::string& name) {
  line = trimmed(line);
  if (line.starts_with('[')) {
    fail(
        "[data] '{}' is a JSON array, expected JSON lines (one object with \"text\" a line); "
        "jq -c '.[]' makes them of it",
        name);
  }
  if (line.starts_with('{') && more_behind && scan_json_record(line).cut_short) {
    fail(
        "[data] '{}' is one JSON object over several lines, expected JSON lines (one object with "
        "\"text\" a line); under a name ending in .txt it is read as plain text",
        name);
  }
}

[[noreturn]] void fail_too_long(const std::string& where, i64 begin, i64 most_bytes) {
  throw BadDocument(
      format("[data] {}: the document at byte {} has more than {} bytes, expected at most that; "
             "--split-on divides a text, --max-document-bytes allows more",
             where, begin + 1, most_bytes));
}

}  // namespace

DocumentStream::DocumentStream(std::unique_ptr<ByteSource> source, std::string name,
                               DocumentRules rules)
    : parts_(std::move(source), ""), name_(std::move(name)), rules_(std::move(rules)) {
  parts_.set_most_bytes(static_cast<size_t>(rules_.most_bytes));
}

void DocumentStream::open() {
  const std::string_view name = without_packing(name_);
  const bool json = has_ending(name, ".json");
  json_lines_ = json || has_ending(name, ".jsonl") || has_ending(name, ".ndjson");
  const std::string_view head = parts_.peek(kFormatBytes);
  const bool object = trimmed(head).starts_with('{');
  // What begins as JSON lines is those to the end: a NUL in one is an error of its line.
  if (!object) check_is_text(head, name_);
  if (json || (object && !json_lines_ && !has_ending(name, ".txt"))) {
    const std::string_view line = parts_.peek_line();
    if (json) check_json_file(line, line.size() < parts_.buffered().size(), name_);
    json_lines_ = json || looks_like_record(line, rules_.keys);
  }
  if (object && !json_lines_) check_is_text(parts_.peek(kFormatBytes), name_);
  parts_.set_separator(json_lines_ ? "\n" : rules_.split_on);
  opened_ = true;
}

void DocumentStream::skip_to(const SourcePlace& place) {
  if (!opened_) open();
  if (place.offset < parts_.offset() || !parts_.skip_to(place.offset)) {
    fail("[data] '{}' has no byte {} any more, expected the file that was read before", name_,
         place.offset);
  }
  line_ = place.line;
}

bool DocumentStream::next(std::string& document) {
  if (!opened_) open();
  for (;;) {
    const i64 begin = parts_.offset();
    if (!parts_.next(document)) return false;
    if (json_lines_) ++line_;
    if (parts_.was_too_long()) {
      const std::string where = json_lines_ ? format("{}:{}", name_, line_) : format("'{}'", name_);
      fail_too_long(where, begin, rules_.most_bytes);
    }
    if (json_lines_) {
      if (document.find_first_not_of(kBlanks) == std::string::npos) continue;
      auto record = parse_json_line(document, format("{}:{}", name_, line_), rules_.keys);
      document = std::move(record.text);
      prompt_bytes_ = record.prompt_bytes;
    } else if (const size_t at = document.find('\0'); at != std::string::npos) {
      throw BadDocument(format("[data] '{}': byte {} is NUL, expected text", name_,
                               begin + static_cast<i64>(at) + 1));
    }
    if (!document.empty()) return true;
  }
}

DocumentReader::DocumentReader(std::vector<std::string> files, DocumentRules rules, i64 max_bad)
    : files_(std::move(files)),
      rules_(std::move(rules)),
      max_bad_(max_bad),
      bytes_in_all_(size_of(files_)) {}

std::unique_ptr<DocumentSource> DocumentReader::open(const std::string& path) const {
  if (has_ending(without_packing(path), ".parquet") || is_parquet_file(path)) {
    return std::make_unique<ParquetDocuments>(path, rules_.keys.text, rules_.most_bytes);
  }
  return std::make_unique<DocumentStream>(open_byte_source(path), path, rules_);
}

void DocumentReader::skip_to(const ReadPlace& place) {
  if (place.file >= files_.size()) {
    fail("[data] {} input files, expected more than {} to go on from", files_.size(), place.file);
  }
  if (const auto before =
          size_of({files_.begin(), files_.begin() + static_cast<i64>(place.file)})) {
    bytes_done_ = *before;
  }
  n_opened_ = place.file + 1;
  source_ = open(files_[place.file]);
  source_->skip_to(place.in_file);
  n_bad_ = place.n_bad;
  first_bad_ = place.first_bad;
}

bool DocumentReader::next(std::string& document) {
  for (;;) {
    if (!source_) {
      if (n_opened_ == files_.size()) return false;
      source_ = open(files_[n_opened_++]);
    }
    try {
      if (source_->next(document)) return true;
      bytes_done_ += source_->bytes_taken();
      source_.reset();
    } catch (const BadDocument& bad) {
      if (n_bad_ == max_bad_) {
        if (n_bad_ == 0) throw;
        fail("{}; {} bad documents before it were skipped", bad.what(), n_bad_);
      }
      if (n_bad_++ == 0) first_bad_ = bad.what();
    }
  }
}

bool StandardInputLines::next(std::string& line) {
  if (!checked_) {
    while (lines_.buffered().size() < kFormatBytes &&
           lines_.buffered().find('\n') == std::string_view::npos && lines_.fill()) {
    }
    check_is_text(lines_.buffered(), kStandardInput);
    checked_ = true;
  }
  return lines_.next(line);
}

}  // namespace lathe
