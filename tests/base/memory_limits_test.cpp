#include "base/memory_limits.h"

#include <doctest/doctest.h>

using namespace lathe;

TEST_CASE("memory limits: what the system's files say, and nothing where they say nothing") {
  CHECK(parse_mem_available("MemTotal:  10 kB\nMemAvailable:    123 kB\n") == 123 * 1024);
  CHECK(!parse_mem_available("MemTotal: 10 kB\n"));
  CHECK(!parse_mem_available("MemAvailable: much\n"));
  CHECK(!parse_mem_available("MemAvailable: 99999999999999999999 kB\n"));
  CHECK(parse_memory_left("1000\n", "400\n") == 600);
  CHECK(parse_memory_left("1000\n", "1400\n") == 0);
  CHECK(!parse_memory_left("max\n", "400\n"));
  CHECK(!parse_memory_left("", ""));
  CHECK(available_memory() >= 0);
}
