#include "base/cpu_isa.h"

#include <cstdlib>

#include "base/error.h"

namespace lathe {

namespace {

struct IsaRow {
  CpuIsa isa;
  std::string_view name;
  bool (*supported)();  // beyond the rows before it
  // Values of the variables that limit LibTorch's parts.
  const char *aten, *onednn, *mkl;
};

// __builtin_cpu_supports also asks whether the system saves the wide registers.
constexpr IsaRow kRows[] = {
    {CpuIsa::kScalar, "scalar", [] { return true; }, "default", "SSE41", "SSE4_2"},
#if defined(__x86_64__)
    {CpuIsa::kAvx2, "avx2",
     [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, "avx2", "AVX2",
     "AVX2"},
    {CpuIsa::kAvx512, "avx512",
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
     },
     "avx512", "AVX512_CORE", "AVX512"},
    {CpuIsa::kAvx512Bf16, "avx512_bf16", [] { return __builtin_cpu_supports("avx512bf16") != 0; },
     "avx512", "AVX512_CORE_BF16", "AVX512_E3"},
#else
    {CpuIsa::kAvx2, "avx2", [] { return false; }, "", "", ""},
    {CpuIsa::kAvx512, "avx512", [] { return false; }, "", "", ""},
    {CpuIsa::kAvx512Bf16, "avx512_bf16", [] { return false; }, "", "", ""},
#endif
};

const IsaRow& row_of(CpuIsa isa) { return kRows[static_cast<size_t>(isa)]; }

std::string joined(std::span<const CpuIsa> isas, std::string_view between) {
  std::string list;
  for (const CpuIsa isa : isas) {
    if (!list.empty()) list += between;
    list += name_of(isa);
  }
  return list;
}

}  // namespace

std::string_view name_of(CpuIsa isa) { return row_of(isa).name; }

std::vector<CpuIsa> supported_isas() {
  std::vector<CpuIsa> isas;
  for (const IsaRow& row : kRows) {
    if (!row.supported()) break;
    isas.push_back(row.isa);
  }
  return isas;
}

CpuIsa parse_isa(std::string_view name, std::span<const CpuIsa> supported) {
  for (const CpuIsa isa : supported) {
    if (name == name_of(isa)) return isa;
  }
  std::vector<std::string> names;
  for (const IsaRow& row : kRows) {
    if (name == row.name) {
      fail("[cpu] LATHE_CPU_ISA: this CPU has no {}; expected one of: {}", name,
           joined(supported, ", "));
    }
    names.emplace_back(row.name);
  }
  const std::string near = nearest_name(name, names);
  fail("[cpu] LATHE_CPU_ISA names no instruction set '{}'{}; expected one of: {}", name,
       near.empty() ? "" : " (did you mean '" + near + "'?)", joined(supported, ", "));
}

std::optional<CpuIsa> requested_isa() {
  static const std::optional<CpuIsa> requested = []() -> std::optional<CpuIsa> {
    const char* name = std::getenv("LATHE_CPU_ISA");
    if (!name || !*name) return std::nullopt;
    return parse_isa(name, supported_isas());
  }();
  return requested;
}

CpuIsa active_isa() {
  static const CpuIsa active = requested_isa().value_or(supported_isas().back());
  return active;
}

std::string describe_isas() {
  return joined(supported_isas(), " ") + " (in use: " + std::string(name_of(active_isa())) + ")";
}

std::vector<EnvironmentVariable> library_limits(CpuIsa isa) {
  const IsaRow& row = row_of(isa);
  return {{"ATEN_CPU_CAPABILITY", row.aten},
          {"ONEDNN_MAX_CPU_ISA", row.onednn},
          {"MKL_ENABLE_INSTRUCTIONS", row.mkl}};
}

}  // namespace lathe
