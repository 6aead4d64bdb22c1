#include "base/content_hash.h"

#include <bit>
#include <cstring>

#include "base/format.h"

namespace lathe {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie");

// splitmix64: every bit of the result depends on every bit of x.
uint64_t mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

}  // namespace

uint64_t content_hash(std::string_view bytes, uint64_t seed) {
  uint64_t hash = mixed(seed) ^ mixed(~static_cast<uint64_t>(bytes.size()));
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t n = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(&word, bytes.data(), n);
    hash = mixed(hash ^ word);
    bytes.remove_prefix(n);
  }
  return hash;
}

uint64_t content_hash(uint64_t number, uint64_t seed) { return mixed(mixed(seed) ^ number); }

std::string hash_text(uint64_t hash) { return format("{:016x}", hash); }

}  // namespace lathe
