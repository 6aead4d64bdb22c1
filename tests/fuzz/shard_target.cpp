// Token shards, and the masks beside them.
#include <cstring>

#include "base/error.h"
#include "data/shards.h"
#include "fuzz/fuzz.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const ShardLayout layout =
        parse_shard({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    FUZZ_CHECK(layout.n_tokens >= 0);
    FUZZ_CHECK(layout.bytes_per_token == 2 || layout.bytes_per_token == 4);
    FUZZ_CHECK(kShardHeaderBytes + static_cast<size_t>(layout.n_tokens) *
                                       static_cast<size_t>(layout.bytes_per_token) ==
               size);
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  try {
    const MaskView mask = parse_mask({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    FUZZ_CHECK(mask.n_tokens >= 0 && static_cast<size_t>(mask.n_tokens) <= 8 * size);
    i64 n = 0;
    for (i64 i = 0; i < mask.n_tokens; ++i) n += mask.counts(i);
    FUZZ_CHECK(n == mask.n_counted());
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

namespace {

std::string mask(uint64_t n_tokens, const std::string& bits) {
  std::string file = "lathmask";
  file.append(reinterpret_cast<const char*>(&n_tokens), sizeof n_tokens);
  return file + bits;
}

std::string shard(std::initializer_list<uint32_t> head, size_t n_bytes) {
  std::string file(kShardHeaderBytes, '\0');
  size_t at = 0;
  for (const uint32_t word : head) {
    std::memcpy(file.data() + 4 * at++, &word, 4);
  }
  return file + std::string(n_bytes, '\1');
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {
      shard({20240520, 1, 7}, 14),
      shard({20240520, 2, 0, 4, 3, 0}, 12),
      shard({20240520, 2, 0, 2, 5, 0}, 10),
      shard({20240520, 1, 0}, 0),
      mask(0, ""),
      mask(19, "\xFF\x81\x07"),
      mask(8, "\x5A"),
  };
}
