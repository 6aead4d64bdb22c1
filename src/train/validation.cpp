#include "train/validation.h"

#include <algorithm>

namespace lathe::train {

namespace {

// Takes a stream of which not all tokens count, token by token, and makes windows of what does.
class CountedWindows {
 public:
  CountedWindows(std::optional<int32_t> start, const TokenBytes& bytes, i64 context)
      : start_(start), bytes_(bytes), context_(context) {}

  void add(i64 at, i64 id, bool counts) {
    // The first token of all stands behind nothing.
    if (counts && at > 0) {
      if (first_ < 0) first_ = at;
      n_bytes_ += before_ == start_ ? bytes_.of_first(id) : bytes_.of(id);
    } else {
      close(at);
    }
    if (first_ >= 0 && at + 1 - first_ == context_) close(at + 1);
    if (id == start_) {  // ends one text, and begins the next
      close(at + 1);
      begin_ = at;
    }
    before_ = id;
  }
  // Ends the run of tokens that count before `end`.
  void close(i64 end) {
    if (first_ < 0) return;
    const i64 begin = std::max(begin_, end - 1 - context_), scored = end - first_;
    part.windows.push_back({begin, end - 1 - begin, scored});
    part.n_tokens += scored;
    part.n_bytes += n_bytes_;
    n_fed += end - 1 - begin;
    first_ = -1;
    n_bytes_ = 0;
  }

  ScoredPart part;
  i64 n_fed = 0;

 private:
  std::optional<int32_t> start_;
  const TokenBytes& bytes_;
  i64 context_;
  i64 begin_ = 0;    // of the text
  i64 first_ = -1;   // of the run of tokens that count; -1 outside of one
  i64 before_ = -1;  // the token before
  i64 n_bytes_ = 0;  // of the run
};

ScoredPart lay_out_counted(const TokenStream& stream, std::optional<int32_t> start,
                           const TokenBytes& bytes, i64 context, i64 budget) {
  constexpr i64 kBlock = 65536;
  CountedWindows windows(start, bytes, context);
  std::vector<i64> ids;
  std::vector<uint8_t> counted;
  for (i64 done = 0; done < stream.size() && windows.n_fed < budget; done += std::ssize(ids)) {
    ids.resize(static_cast<size_t>(std::min(kBlock, stream.size() - done)));
    counted.resize(ids.size());
    stream.copy(done, ids);
    stream.copy_counted(done, counted);
    for (size_t i = 0; i < ids.size() && windows.n_fed < budget; ++i) {
      windows.add(done + static_cast<i64>(i), ids[i], counted[i] != 0);
    }
  }
  if (windows.n_fed < budget) windows.close(stream.size());
  return std::move(windows.part);
}

}  // namespace

std::optional<ScoredText> lay_out_split(std::shared_ptr<const TokenStream> stream,
                                        std::optional<int32_t> start, const TokenBytes& bytes,
                                        i64 context, i64 budget) {
  ScoredText text;
  text.read = [stream](i64 offset, std::span<i64> out) { stream->copy(offset, out); };
  if (stream->has_mask()) {
    text.part = lay_out_counted(*stream, start, bytes, context, budget);
    if (text.part.windows.empty()) return std::nullopt;
  } else {
    const i64 n = stream->size();
    const i64 max_windows = budget >= n ? 0 : std::max<i64>(1, budget / context);
    text.part = lay_out(n, text.read, start, bytes, context, max_windows);
  }
  return text;
}

}  // namespace lathe::train
