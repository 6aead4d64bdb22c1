#include "data/document_hash.h"

#include <bit>
#include <cstring>

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

uint64_t document_hash(std::string_view text, uint64_t seed) {
  uint64_t hash = mixed(seed) ^ mixed(~static_cast<uint64_t>(text.size()));
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t n = text.size() < sizeof word ? text.size() : sizeof word;
    std::memcpy(&word, text.data(), n);
    hash = mixed(hash ^ word);
    text.remove_prefix(n);
  }
  return hash;
}

bool is_validation_document(uint64_t hash, double val_fraction) {
  return static_cast<double>(mixed(hash) >> 11) * 0x1p-53 < val_fraction;
}

}  // namespace lathe
