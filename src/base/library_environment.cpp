#include "base/library_environment.h"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu_isa.h"
#include "base/error.h"

namespace lathe {

namespace {

// How often a thread looks before it sleeps at the end of a parallel region. libgomp's own 300,000
// burn a time slice at every region where the threads it waits for have none.
constexpr const char* kSpinCount = "100";

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

}  // namespace

bool set_library_environment() {
  std::vector<EnvironmentVariable> wanted;
  if (const auto isa = requested_isa()) wanted = library_limits(*isa);
  if (!is_set("OMP_WAIT_POLICY") && !is_set("GOMP_SPINCOUNT")) {
    wanted.push_back({"GOMP_SPINCOUNT", kSpinCount});
  }
  bool changed = false;
  for (const EnvironmentVariable& variable : wanted) {
    const char* now = std::getenv(variable.name.c_str());
    if (now && now == variable.value) continue;
    if (setenv(variable.name.c_str(), variable.value.c_str(), 1) != 0) {
      fail_errno("[cpu] cannot set " + variable.name);
    }
    changed = true;
  }
  return changed;
}

void enter_library_environment(char** argv) {
  if (!set_library_environment()) return;
  // The second time nothing is left to set.
  execv("/proc/self/exe", argv);
  fail_errno("[cpu] cannot start /proc/self/exe again");
}

}  // namespace lathe
