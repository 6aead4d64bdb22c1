// What a file of text may be, told by its first bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lathe {

// As many bytes from the front (fewer: all there are) tell text from what is not.
inline constexpr size_t kFormatBytes = 4096;

// Throws Error, which names the format where it is a known one (ELF, xz, PNG, a token shard, …),
// when `head`, unpacked, is not the front of a text. A text is UTF-8 without NUL; other bytes pass
// as long as they look like text in an older encoding.
void check_is_text(std::string_view head, const std::string& where);

}  // namespace lathe
