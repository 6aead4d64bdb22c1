// Standard output, where commands put their data.
#pragma once

#include <string_view>

namespace lathe {

// Writes `text`, which flush_output() or the program's end may still hold back. Error where it
// cannot be written (a full disk, a closed pipe).
void write_output(std::string_view text);

// Sends on what has been written. Error as above.
void flush_output();

// Both: for what a reader waits for.
void print(std::string_view text);

}  // namespace lathe
