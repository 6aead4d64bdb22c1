#include "kernels/dispatch.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace lathe {

namespace {

struct IsaRow {
  const Kernels* kernels;
  bool (*supported)();
};

// Narrowest first. __builtin_cpu_supports also asks whether the system saves the wide registers.
const IsaRow kIsas[] = {
    {&kKernelsScalar, [] { return true; }},
#ifdef LATHE_X86
    {&kKernelsAvx2, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
    {&kKernelsAvx512,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
     }},
#endif
};

const Kernels& choose() {
  // The one environment variable: tests force each table, users rule a faulty one out.
  if (const char* forced = std::getenv("LATHE_CPU_ISA"); forced && *forced) {
    return kernels_for(forced);
  }
  return kernels_for(supported_isas().back());
}

}  // namespace

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const IsaRow& row : kIsas) {
    if (row.supported()) names.emplace_back(row.kernels->isa);
  }
  return names;
}

const Kernels& kernels_for(const std::string& isa) {
  std::vector<std::string> names;
  for (const IsaRow& row : kIsas) {
    names.emplace_back(row.kernels->isa);
    if (isa != row.kernels->isa) continue;
    if (!row.supported()) {
      fail("[cpu] this CPU has no {}; LATHE_CPU_ISA may be one of: {}", isa, [] {
        std::string list;
        for (const std::string& name : supported_isas()) list += (list.empty() ? "" : ", ") + name;
        return list;
      }());
    }
    return *row.kernels;
  }
  const std::string near = nearest_name(isa, names);
  fail("[cpu] LATHE_CPU_ISA names no instruction set '{}'{}; expected scalar, avx2 or avx512", isa,
       near.empty() ? "" : " (did you mean '" + near + "'?)");
}

const Kernels& kernels() {
  static const Kernels& table = choose();
  return table;
}

bool has_bf16_dot(const Kernels& table) {
#ifdef LATHE_X86
  return std::strcmp(table.isa, "avx512") == 0 && __builtin_cpu_supports("avx512bf16");
#else
  return table.isa == nullptr;
#endif
}

}  // namespace lathe
