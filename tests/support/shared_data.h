// Real files for tests, outside the repository: the folder LATHE_SHARED, by default ../shared
// beside the sources. Tests that need them skip themselves where it is absent.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace lathe::test {

// The path of `name` in the shared folder, or "" after a line that says that the test is skipped.
inline std::string shared_path(const std::string& name) {
  const char* set = std::getenv("LATHE_SHARED");
  const std::string path =
      (set != nullptr ? std::string(set) : std::string(LATHE_SOURCE_DIR) + "/../shared") + "/" +
      name;
  if (std::filesystem::exists(path)) return path;
  std::printf("SKIP: %s is not there (LATHE_SHARED)\n", path.c_str());
  return "";
}

}  // namespace lathe::test
