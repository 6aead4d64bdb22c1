// How much memory this process may still take.
#pragma once

#include <optional>
#include <string_view>

#include "base/integer.h"

namespace lathe {

// Bytes that the machine has available (MemAvailable) and the control group still allows; 0 where
// the system does not say.
i64 available_memory();

// The bytes of "MemAvailable:  123 kB" in /proc/meminfo; nothing where there is no such line.
std::optional<i64> parse_mem_available(std::string_view meminfo);
// What a control group's memory.max leaves beside memory.current; nothing where it has no limit
// ("max") or the texts are none.
std::optional<i64> parse_memory_left(std::string_view max, std::string_view current);

}  // namespace lathe
