#include "base/cpu_isa.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/suggest.h"

namespace lathe {

namespace {

struct IsaRow {
  CpuIsa isa;
  bool (*supported)();  // beyond the rows before it
  // Values of the variables that limit LibTorch's parts.
  const char *aten, *onednn, *mkl;
};

// __builtin_cpu_supports also asks whether the system saves the wide registers.
constexpr IsaRow kRows[] = {
    {CpuIsa::kScalar, [] { return true; }, "default", "SSE41", "SSE4_2"},
#if defined(__x86_64__)
    {CpuIsa::kAvx2, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); },
     "avx2", "AVX2", "AVX2"},
    {CpuIsa::kAvx512,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
     },
     "avx512", "AVX512_CORE", "AVX512"},
    {CpuIsa::kAvx512Bf16, [] { return __builtin_cpu_supports("avx512bf16") != 0; }, "avx512",
     "AVX512_CORE_BF16", "AVX512_E3"},
#else
    {CpuIsa::kAvx2, [] { return false; }, "", "", ""},
    {CpuIsa::kAvx512, [] { return false; }, "", "", ""},
    {CpuIsa::kAvx512Bf16, [] { return false; }, "", "", ""},
#endif
};

static_assert(one_row_each(kRows, &IsaRow::isa));

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

std::vector<CpuIsa> supported_isas() {
  std::vector<CpuIsa> isas;
  for (const IsaRow& row : kRows) {
    if (!row.supported()) break;
    isas.push_back(row.isa);
  }
  return isas;
}

CpuIsa parse_isa(std::string_view name, std::span<const CpuIsa> supported) {
  const std::optional<CpuIsa> isa = value_of<CpuIsa>(name);
  if (!isa) {
    fail("[cpu] LATHE_CPU_ISA names no instruction set '{}'{}; expected one of: {}", name,
         did_you_mean(name, kNamesOf<CpuIsa>), joined(supported, ", "));
  }
  if (std::find(supported.begin(), supported.end(), *isa) == supported.end()) {
    fail("[cpu] LATHE_CPU_ISA: this CPU has no {}; expected one of: {}", name,
         joined(supported, ", "));
  }
  return *isa;
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
