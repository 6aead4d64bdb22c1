// The documents of a corpus: text files or JSON lines, as they are or packed, and Parquet. Whatever
// a command reads as text it reads through here.
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
#include "data/document_source.h"
#include "data/json_record.h"

namespace lathe {

inline constexpr i64 kMostDocumentBytes = i64{256} << 20;

// What in a file is a document.
struct DocumentRules {
  std::string split_on;                 // between two of a text; "": a text is one
  RecordKeys keys;                      // of JSON lines; of Parquet the text's is the column
  i64 most_bytes = kMostDocumentBytes;  // of a document, and of its line of JSON; more is a bad one
};

// The documents of text, or of JSON lines.
//   JSON lines  one document a line, the text under its key, or a prompt and a completion under
//               theirs; blank lines are skipped
//   text        one document, or with `split_on` the parts between its occurrences (without it)
// Empty documents are skipped. The name tells which it is (.jsonl and .ndjson; .txt), else the
// first line does: an object with those keys, and nothing else in a line, is JSON lines. A .json
// that is an array, or one object over several lines, is refused, and so is what is not text
// (check_is_text).
class DocumentStream : public DocumentSource {
 public:
  // `source` gives the bytes unpacked; an ending .gz or .zst of `name` is passed over.
  DocumentStream(std::unique_ptr<ByteSource> source, std::string name, DocumentRules rules);

  // Bad is a line that is not JSON with text, a document of text with a NUL byte in it, and one
  // with too many bytes.
  bool next(std::string& document) override;
  size_t prompt_bytes() const override { return prompt_bytes_; }
  SourcePlace place() const override { return {parts_.offset(), line_}; }
  void skip_to(const SourcePlace& place) override;
  i64 bytes_taken() const override { return parts_.bytes_taken(); }

 private:
  // Looks at the front of the file.
  void open();

  PartReader parts_;
  std::string name_;
  DocumentRules rules_;
  bool opened_ = false;
  bool json_lines_ = false;
  i64 line_ = 0;
  size_t prompt_bytes_ = 0;
};

// A place between two documents of a corpus, and what lies before it.
struct ReadPlace {
  size_t file = 0;
  SourcePlace in_file;
  i64 n_bad = 0;
  std::string first_bad;
};

// The documents of a list of files, one file after the other.
class DocumentReader {
 public:
  // At most `max_bad` bad documents are skipped and counted.
  explicit DocumentReader(std::vector<std::string> files, DocumentRules rules = {},
                          i64 max_bad = 0);

  // As of DocumentSource; false at the end of the corpus.
  bool next(std::string& document);

  // Of the document that next() has just given.
  size_t prompt_bytes() const { return source_->prompt_bytes(); }

  // Behind that document.
  ReadPlace place() const { return {file(), source_->place(), n_bad_, first_bad_}; }
  // Before the first document: goes on from a place in the same files.
  void skip_to(const ReadPlace& place);

  // That of the document that next() has given: files()[file()].
  size_t file() const { return n_opened_ - 1; }
  const std::vector<std::string>& files() const { return files_; }
  size_t n_files() const { return files_.size(); }
  size_t n_files_done() const { return n_opened_ == 0 ? 0 : n_opened_ - (source_ ? 1 : 0); }
  // Of all files, as they lie on the disk: the bytes read so far, and in all where they are known.
  i64 bytes_taken() const { return bytes_done_ + (source_ ? source_->bytes_taken() : 0); }
  std::optional<i64> bytes_in_all() const { return bytes_in_all_; }
  i64 n_bad() const { return n_bad_; }
  // What was wrong with the first one skipped.
  const std::string& first_bad() const { return first_bad_; }

 private:
  std::unique_ptr<DocumentSource> open(const std::string& path) const;

  std::vector<std::string> files_;
  DocumentRules rules_;
  i64 max_bad_;
  i64 n_bad_ = 0;
  std::string first_bad_;
  size_t n_opened_ = 0;
  i64 bytes_done_ = 0;  // of the files before
  std::optional<i64> bytes_in_all_;
  std::unique_ptr<DocumentSource> source_;  // the file being read, none between files
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
