#include "data/input_log.h"

#include <nlohmann/json.hpp>

#include "base/content_hash.h"
#include "base/error.h"

namespace lathe {

InputLog::InputLog(const std::string& dir, std::vector<std::string> files, const Progress& from)
    : files_(std::move(files)),
      out_(dir + "/" + kInputsFile, dir + "/" + kInputsFile + ".part", from.size),
      sums_(from) {
  LATHE_CHECK(from.file < files_.size());
}

void InputLog::pass_to(size_t end) {
  for (; sums_.file < end; sums_ = {0, sums_.file + 1, 0, 0, 0, 0}) {
    const nlohmann::ordered_json line = {{"file", files_[sums_.file]},
                                         {"documents", sums_.documents},
                                         {"tokens", sums_.tokens},
                                         {"bytes", sums_.bytes},
                                         {"hash", hash_text(sums_.hash)}};
    out_.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
}

void InputLog::add(size_t file, i64 n_tokens, i64 n_bytes, uint64_t hash) {
  LATHE_CHECK(file >= sums_.file && file < files_.size());
  pass_to(file);
  ++sums_.documents;
  sums_.tokens += n_tokens;
  sums_.bytes += n_bytes;
  sums_.hash = content_hash(hash, sums_.hash);
}

InputLog::Progress InputLog::progress() {
  out_.sync();
  Progress progress = sums_;
  progress.size = out_.size();
  return progress;
}

void InputLog::finish() {
  pass_to(files_.size());
  out_.commit();
}

}  // namespace lathe
