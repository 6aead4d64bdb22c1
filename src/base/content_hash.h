// A number that stands for bytes: equal ones have equal numbers on every machine and in every
// version, others as good as never. No secret: who wants two texts with one number can make them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lathe {

// Another seed, other numbers; with the number so far as seed, one for a row of texts.
uint64_t content_hash(std::string_view bytes, uint64_t seed = 0);
// The same of a number.
uint64_t content_hash(uint64_t number, uint64_t seed);

// As 16 hexadecimal digits.
std::string hash_text(uint64_t hash);

}  // namespace lathe
