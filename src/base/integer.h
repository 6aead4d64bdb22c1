// The one integer type of counts, sizes and indices.
#pragma once

#include <cstdint>

namespace lathe {

using i64 = int64_t;

}  // namespace lathe
