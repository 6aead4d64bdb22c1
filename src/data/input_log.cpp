#include "data/input_log.h"

#include <nlohmann/json.hpp>

#include "base/content_hash.h"
#include "base/error.h"

namespace lathe {

InputLog::InputLog(const std::string& dir, std::vector<std::string> files)
    : files_(std::move(files)), out_(dir + "/" + kInputsFile) {}

void InputLog::pass_to(size_t end) {
  for (; at_ < end; ++at_) {
    const nlohmann::ordered_json line = {{"file", files_[at_]},
                                         {"documents", sums_.documents},
                                         {"tokens", sums_.tokens},
                                         {"bytes", sums_.bytes},
                                         {"hash", hash_text(sums_.hash)}};
    out_.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    sums_ = {};
  }
}

void InputLog::add(size_t file, i64 n_tokens, i64 n_bytes, uint64_t hash) {
  LATHE_CHECK(file >= at_ && file < files_.size());
  pass_to(file);
  ++sums_.documents;
  sums_.tokens += n_tokens;
  sums_.bytes += n_bytes;
  sums_.hash = content_hash(hash, sums_.hash);
}

void InputLog::finish() {
  pass_to(files_.size());
  out_.commit();
}

}  // namespace lathe
