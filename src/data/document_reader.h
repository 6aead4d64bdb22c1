// The documents of a corpus: text files or JSON lines, as they are or packed. Whatever a command
// reads as text it reads through here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/integer.h"
#include "base/part_reader.h"
#include "data/json_record.h"

namespace lathe {

// The documents of one file; holds one at a time. One thread at a time.
//   JSON lines  one document a line, the text under "text"; blank lines are skipped
//   text        one document, or with `split_on` the parts between its occurrences (without it)
// Empty documents are skipped. The name tells which it is (.jsonl and .ndjson; .txt), else the
// first line does: an object with "text", and nothing else in a line, is JSON lines. A .json that
// is an array, or one object over several lines, is refused, and so is what is not text
// (check_is_text).
class DocumentStream {
 public:
  // `source` gives the bytes unpacked; an ending .gz or .zst of `name` is passed over.
  DocumentStream(std::unique_ptr<ByteSource> source, std::string name, std::string split_on);

  // The next document, or false at the end. Throws BadDocument, naming the file and line, when a
  // line is not JSON with text or a document of text has a NUL byte in it, and can then be called
  // for what comes behind; Error when the file cannot be read or is not text.
  bool next(std::string& document);

 private:
  // Looks at the front of the file.
  void open();

  PartReader parts_;
  std::string name_;
  std::string split_on_;
  bool opened_ = false;
  bool json_lines_ = false;
  i64 line_ = 0;
};

// The documents of a list of files, one file after the other.
class DocumentReader {
 public:
  // At most `max_bad` bad documents are skipped and counted.
  explicit DocumentReader(std::vector<std::string> files, std::string split_on = "",
                          i64 max_bad = 0);

  // As of DocumentStream; false at the end of the corpus.
  bool next(std::string& document);

  size_t n_files() const { return files_.size(); }
  size_t n_files_done() const { return n_opened_ == 0 ? 0 : n_opened_ - (stream_ ? 1 : 0); }
  i64 n_bad() const { return n_bad_; }
  // What was wrong with the first one skipped.
  const std::string& first_bad() const { return first_bad_; }

 private:
  std::vector<std::string> files_;
  std::string split_on_;
  i64 max_bad_;
  i64 n_bad_ = 0;
  std::string first_bad_;
  size_t n_opened_ = 0;
  std::optional<DocumentStream> stream_;  // of the file being read, none between files
};

// Lines of standard input as they are, empty ones too, unpacked; refuses what is not text. A line
// is there as soon as it has been written into a pipe.
class StandardInputLines {
 public:
  StandardInputLines() : lines_(open_standard_input(), "\n") {}
  // Without its end; false at the end. Throws Error when it cannot be read.
  bool next(std::string& line);

 private:
  PartReader lines_;
  bool checked_ = false;
};

}  // namespace lathe
