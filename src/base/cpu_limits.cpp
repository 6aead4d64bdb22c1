#include "base/cpu_limits.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

namespace lathe {

namespace {

// The whole number at the start of `text`, spaces before it skipped; takes it off the text.
std::optional<long long> take_number(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<double> ratio(std::optional<long long> quota, std::optional<long long> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::string read_all(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void lower(std::optional<double>& limit, std::optional<double> other) {
  if (other && (!limit || *other < *limit)) limit = other;
}

std::optional<double> limit_of_folder(const std::string& folder) {
  std::optional<double> limit = parse_cpu_max(read_all(folder + "/cpu.max"));
  lower(limit, parse_cfs_quota(read_all(folder + "/cpu.cfs_quota_us"),
                               read_all(folder + "/cpu.cfs_period_us")));
  return limit;
}

// A limit of any ancestor binds too. Inside a container the path may not exist below the mount, and
// then only the mount's own limit is found.
std::optional<double> limit_of_branch(const std::string& mount, std::string path) {
  std::optional<double> limit;
  for (;;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    lower(limit, limit_of_folder(mount + path));
    if (path.empty()) return limit;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

// Machines have outgrown cpu_set_t's 1024 CPUs, so the mask grows until the kernel takes it.
int affinity_count() {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t* mask = CPU_ALLOC(static_cast<size_t>(cpus));
    if (!mask) break;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus));
    const bool known = sched_getaffinity(0, bytes, mask) == 0;
    const int count = known ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (known) return count;
  }
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

std::optional<double> parse_cpu_max(std::string_view text) {
  const auto quota = take_number(text);
  if (!quota) return std::nullopt;  // "max"
  const auto period = take_number(text);
  return ratio(quota, period ? period : 100000);
}

std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period) {
  return ratio(take_number(quota), take_number(period));
}

std::optional<double> cgroup_cpu_limit(std::string_view membership, const std::string& root) {
  std::optional<double> limit;
  while (!membership.empty()) {
    // One group a line, "hierarchy:controllers:path"; v2 has no controllers there.
    const size_t end = std::min(membership.find('\n'), membership.size());
    const std::string_view line = membership.substr(0, end);
    membership.remove_prefix(std::min(end + 1, membership.size()));
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers(line.substr(first + 1, second - first - 1));
    const std::string path(line.substr(second + 1));
    if (controllers.empty()) {
      lower(limit, limit_of_branch(root, path));
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      lower(limit, limit_of_branch(root + "/" + controllers, path));
      lower(limit, limit_of_branch(root + "/cpu", path));
    }
  }
  return limit;
}

int available_threads() {
  int threads = affinity_count();
  const auto limit = cgroup_cpu_limit(read_all("/proc/self/cgroup"), "/sys/fs/cgroup");
  if (limit && *limit < threads) threads = static_cast<int>(std::ceil(*limit));
  return std::max(threads, 1);
}

}  // namespace lathe
