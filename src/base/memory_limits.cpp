#include "base/memory_limits.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace lathe {

namespace {

// The whole number from 0 on at the start of `text`, spaces before it skipped.
std::optional<i64> number_at(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  i64 value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || value < 0) return std::nullopt;
  return value;
}

std::string read_all(const char* path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

std::optional<i64> parse_mem_available(std::string_view meminfo) {
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = meminfo.find(kKey);
  if (at == meminfo.npos) return std::nullopt;
  const auto kilobytes = number_at(meminfo.substr(at + kKey.size()));
  if (!kilobytes || *kilobytes > INT64_MAX / 1024) return std::nullopt;
  return *kilobytes * 1024;
}

std::optional<i64> parse_memory_left(std::string_view max, std::string_view current) {
  const auto most = number_at(max), taken = number_at(current);
  if (!most || !taken) return std::nullopt;
  return std::max<i64>(*most - *taken, 0);
}

i64 available_memory() {
  const auto machine = parse_mem_available(read_all("/proc/meminfo"));
  const auto group = parse_memory_left(read_all("/sys/fs/cgroup/memory.max"),
                                       read_all("/sys/fs/cgroup/memory.current"));
  if (!machine) return group.value_or(0);
  return group ? std::min(*machine, *group) : *machine;
}

}  // namespace lathe
