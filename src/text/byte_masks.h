// The classes of 64 bytes of text as bits, bit i for byte i. Compiled for several classes of CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu_isa.h"

namespace lathe {

struct ByteMasks {
  uint64_t letters = 0;      // A–Z, a–z
  uint64_t digits = 0;       // 0–9
  uint64_t white = 0;        // U+0009 to U+000D and the space
  uint64_t spaces = 0;       // the space
  uint64_t apostrophes = 0;  // '
  uint64_t high = 0;         // 0x80 and above: parts of longer characters
};

inline constexpr size_t kBatchBytes = 64;

// Reads kBatchBytes bytes.
using MakeByteMasks = void (*)(const char* bytes, ByteMasks& masks);

// That of the widest class of CPU which is not above `isa`.
MakeByteMasks byte_masks_function(CpuIsa isa);

}  // namespace lathe
