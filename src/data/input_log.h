// inputs.jsonl of a prepared folder: what was read, a line a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/integer.h"

namespace lathe {

inline constexpr const char* kInputsFile = "inputs.jsonl";

// {"file", "documents", "tokens", "bytes", "hash"}: of the documents that were taken, the tokens
// with their end-of-text tokens, the bytes of text, and a content_hash() of the texts in their
// order. One thread at a time.
class InputLog {
 public:
  struct Progress {
    uint64_t size = 0;  // bytes of the file
    size_t file = 0;    // the one that is summed up, and its sums
    i64 documents = 0, tokens = 0, bytes = 0;
    uint64_t hash = 0;
  };
  // `from`: where an earlier one of the same files was.
  InputLog(const std::string& dir, std::vector<std::string> files, const Progress& from);

  // A document of files[file]; no file may come before that of the document before.
  void add(size_t file, i64 n_tokens, i64 n_bytes, uint64_t hash);
  // Flushed to the disk.
  Progress progress();
  // Writes what is left. The file appears whole.
  void finish();

 private:
  // Writes the lines of the files before files[end].
  void pass_to(size_t end);

  std::vector<std::string> files_;
  AtomicFile out_;
  Progress sums_;
};

}  // namespace lathe
