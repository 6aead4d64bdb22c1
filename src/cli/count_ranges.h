// Ranges of counts on the command line. CLI11's own PositiveNumber names the range of a double in
// its message, 300 digits long.
#pragma once

#include <CLI/CLI.hpp>

#include "core/numeric.h"

namespace lathe {

inline const CLI::Range kPositiveCount(i64{1}, i64{1} << 40, "POSITIVE");
inline const CLI::Range kCount(i64{0}, i64{1} << 40, "NONNEGATIVE");

}  // namespace lathe
