// What a file of text may be, told by its first bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lathe {

// As many bytes from the front (fewer: all there are) tell text from what is not.
inline constexpr size_t kFormatBytes = 4096;

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

// Throws Error, which names the format where it is a known one (ELF, xz, PNG, a token shard, …),
// when `head`, unpacked, is not the front of a text. A text is UTF-8 without NUL; other bytes pass
// as long as they look like text in an older encoding.
void check_is_text(std::string_view head, const std::string& where);

}  // namespace lathe
