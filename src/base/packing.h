// Which files are packed, by their first bytes and by their names.
#pragma once

#include <string_view>

namespace lathe {

// Whether `name` ends so, in any case; `ending` is in small letters.
bool has_ending(std::string_view name, std::string_view ending);

enum class Packing { kNone, kGzip, kZstd };
// By the bytes alone; four are enough.
Packing packing_of(std::string_view head);
// Whether more bytes behind these may still tell that they are packed.
bool may_become_packed(std::string_view head);
// By the name alone: ".gz", ".zst", in any case.
Packing packing_named(std::string_view name);

// `name` without such an ending.
std::string_view without_packing(std::string_view name);

}  // namespace lathe
