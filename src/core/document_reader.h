// The documents of a corpus: text files, JSON lines, the same compressed, or folders of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_source.h"

namespace lathe {

// The files that `inputs` stand for, in order: a file is itself, a folder all regular files below
// it in the order of their paths, without hidden ones. With `extensions` (".py") only the files of
// a folder with such an ending, also before .gz or .zst. Throws Error for a path that is missing
// and for a folder that yields nothing.
std::vector<std::string> list_input_files(const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& extensions);

// The documents of one text; holds one at a time. One thread at a time.
//   *.jsonl     one document a line, the text under "text"; blank lines are skipped
//   other names one document, or with `split_on` the parts between its occurrences (without it)
// Empty documents are skipped.
class DocumentStream {
 public:
  // `source` gives the bytes decompressed; an ending .gz or .zst of `name` is passed over.
  DocumentStream(std::unique_ptr<ByteSource> source, std::string name, std::string split_on);

  // The next document, or false at the end. Throws Error, naming the file (and line), when it
  // cannot be read or a line is not JSON with text.
  bool next(std::string& document);

 private:
  bool fill();
  // Moves the bytes up to the next separator, or the rest of the file, to `part`.
  bool next_part(std::string& part);

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  bool json_lines_;
  std::string separator_;  // "": none
  int64_t line_ = 0;
  std::string buffer_;  // read but not yet given out, from `begin_` on
  size_t begin_ = 0;
  size_t searched_ = 0;  // no separator starts in buffer_[begin_, searched_)
  bool at_end_ = false;
};

// The documents of a list of files, one file after the other.
class DocumentReader {
 public:
  DocumentReader(std::vector<std::string> files, std::string split_on);

  // As of DocumentStream; false at the end of the corpus.
  bool next(std::string& document);

  size_t n_files() const { return files_.size(); }
  size_t n_files_done() const { return n_opened_ == 0 ? 0 : n_opened_ - (stream_ ? 1 : 0); }

 private:
  std::vector<std::string> files_;
  std::string split_on_;
  size_t n_opened_ = 0;
  std::optional<DocumentStream> stream_;  // of the file being read, none between files
};

// The value of "text" in one line of JSON. Throws Error beginning with `where`.
std::string parse_json_line(std::string_view line, const std::string& where);

}  // namespace lathe
