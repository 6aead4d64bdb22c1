// How many threads this process may use: the CPUs it is bound to and its control group's quota.
// Starts none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lathe {

// CPUs of the affinity mask, at most the cgroup's CPU quota rounded up; at least 1. Never fails:
// what cannot be read sets no limit.
int available_threads();

// The parts of the above that read text; a limit is in CPUs (1.5 = one and a half), nothing means
// none is set. Text that is not what the kernel writes counts as none.

// cgroup v2, cpu.max: "max 100000" or "150000 100000" (quota, period).
std::optional<double> parse_cpu_max(std::string_view text);
// cgroup v1: cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us.
std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period);
// The lowest limit on the way from this process's group to the root. `membership` is the text of
// /proc/self/cgroup, `root` the folder where the groups are mounted (/sys/fs/cgroup).
std::optional<double> cgroup_cpu_limit(std::string_view membership, const std::string& root);

}  // namespace lathe
