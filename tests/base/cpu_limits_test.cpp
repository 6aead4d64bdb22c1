#include "base/cpu_limits.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.h"

using namespace lathe;

namespace {

void put(const std::string& root, const std::string& path, const std::string& text) {
  const std::filesystem::path file = root + path;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

}  // namespace

TEST_CASE("cpu limits: cpu.max is quota over period, and max is none") {
  CHECK(parse_cpu_max("150000 100000\n") == 1.5);
  CHECK(parse_cpu_max("25000 50000\n") == 0.5);
  CHECK(parse_cpu_max("200000") == 2.0);  // the period has a default
  CHECK(!parse_cpu_max("max 100000\n"));
  for (const char* odd : {"", "\n", "x", "0 100000", "-1 100000", "100000 0", "1e5 100000x"}) {
    CAPTURE(odd);
    const auto limit = parse_cpu_max(odd);
    CHECK((!limit || *limit > 0));
  }
  CHECK(!parse_cpu_max(""));
  CHECK(!parse_cpu_max("0 100000"));
}

TEST_CASE("cpu limits: cgroup v1's quota of -1 is none") {
  CHECK(parse_cfs_quota("350000\n", "100000\n") == 3.5);
  CHECK(!parse_cfs_quota("-1\n", "100000\n"));
  CHECK(!parse_cfs_quota("", ""));
  CHECK(!parse_cfs_quota("100000\n", "0\n"));
}

TEST_CASE("cpu limits: the lowest limit on the way to the root binds (v2)") {
  const test::TempDir root;
  put(root.path(), "/cpu.max", "max 100000\n");
  put(root.path(), "/a/cpu.max", "200000 100000\n");
  put(root.path(), "/a/b/cpu.max", "700000 100000\n");
  CHECK(cgroup_cpu_limit("0::/a/b\n", root.path()) == 2.0);
  CHECK(cgroup_cpu_limit("0::/a\n", root.path()) == 2.0);
  CHECK(!cgroup_cpu_limit("0::/\n", root.path()));
  CHECK(cgroup_cpu_limit("0::/a/b/not/seen/in/here\n", root.path()) == 2.0);
}

TEST_CASE("cpu limits: v1 looks in the cpu controller only, under either name of its folder") {
  const test::TempDir root;
  put(root.path(), "/cpu,cpuacct/g/cpu.cfs_quota_us", "150000\n");
  put(root.path(), "/cpu,cpuacct/g/cpu.cfs_period_us", "100000\n");
  put(root.path(), "/cpuset/g/cpu.cfs_quota_us", "1000\n");
  put(root.path(), "/cpuset/g/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpu_limit("5:cpuset:/g\n4:cpu,cpuacct:/g\n0::/\n", root.path()) == 1.5);
  CHECK(!cgroup_cpu_limit("5:cpuset:/g\n0::/\n", root.path()));
  put(root.path(), "/cpu/cpu.cfs_quota_us", "50000\n");
  put(root.path(), "/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpu_limit("4:cpu:/somewhere/else\n", root.path()) == 0.5);
}

TEST_CASE("cpu limits: text that is no cgroup file sets no limit") {
  const test::TempDir root;
  for (const char* odd : {"", "\n\n", "::", "x", "0:", "0::", ":cpu:", "0::relative"}) {
    CAPTURE(odd);
    CHECK(!cgroup_cpu_limit(odd, root.path()));
  }
}

TEST_CASE("cpu limits: a process bound to one CPU has one thread") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(available_threads() >= 1);
  CHECK(available_threads() <= CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &before)) {
      CPU_SET(i, &one);
      break;
    }
  }
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  const int bound = available_threads();
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(bound == 1);
}
