#include "base/cpu_isa.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "base/error.h"

namespace lathe {
namespace {

TEST_CASE("cpu_isa: classes are in order, and a CPU runs all up to its widest") {
  CHECK(CpuIsa::kScalar < CpuIsa::kAvx2);
  CHECK(CpuIsa::kAvx2 < CpuIsa::kAvx512);
  CHECK(CpuIsa::kAvx512 < CpuIsa::kAvx512Bf16);
  const auto supported = supported_isas();
  REQUIRE(!supported.empty());
  for (size_t i = 0; i < supported.size(); ++i) CHECK(static_cast<size_t>(supported[i]) == i);
}

TEST_CASE("cpu_isa: every class is found by its name") {
  constexpr CpuIsa all[] = {CpuIsa::kScalar, CpuIsa::kAvx2, CpuIsa::kAvx512, CpuIsa::kAvx512Bf16};
  CHECK(parse_isa("scalar", all) == CpuIsa::kScalar);
  CHECK(parse_isa("avx2", all) == CpuIsa::kAvx2);
  CHECK(parse_isa("avx512", all) == CpuIsa::kAvx512);
  CHECK(parse_isa("avx512_bf16", all) == CpuIsa::kAvx512Bf16);
  for (const CpuIsa isa : all) CHECK(parse_isa(name_of(isa), all) == isa);
}

TEST_CASE("cpu_isa: a name the CPU lacks is an error, and an unknown one is told the nearest") {
  constexpr CpuIsa some[] = {CpuIsa::kScalar, CpuIsa::kAvx2};
  CHECK_THROWS_WITH_AS(parse_isa("avx512_bf16", some),
                       "[cpu] LATHE_CPU_ISA: this CPU has no avx512_bf16; expected one of: scalar, "
                       "avx2",
                       Error);
  CHECK_THROWS_WITH_AS(parse_isa("avx3", some), doctest::Contains("did you mean 'avx2'"), Error);
  CHECK_THROWS_AS(parse_isa("", some), Error);
  CHECK_THROWS_AS(parse_isa("AVX2 ", some), Error);
}

TEST_CASE("cpu_isa: the active class is what LATHE_CPU_ISA asks for, else the widest") {
  const char* name = std::getenv("LATHE_CPU_ISA");
  CHECK(requested_isa().has_value() == (name && *name));
  CHECK(active_isa() == requested_isa().value_or(supported_isas().back()));
}

TEST_CASE("cpu_isa: a class limits LibTorch's vector code, its oneDNN and its MKL") {
  using Limits = std::vector<EnvironmentVariable>;
  CHECK(library_limits(CpuIsa::kScalar) == Limits{{"ATEN_CPU_CAPABILITY", "default"},
                                                  {"ONEDNN_MAX_CPU_ISA", "SSE41"},
                                                  {"MKL_ENABLE_INSTRUCTIONS", "SSE4_2"}});
#if defined(__x86_64__)
  CHECK(library_limits(CpuIsa::kAvx2) == Limits{{"ATEN_CPU_CAPABILITY", "avx2"},
                                                {"ONEDNN_MAX_CPU_ISA", "AVX2"},
                                                {"MKL_ENABLE_INSTRUCTIONS", "AVX2"}});
  CHECK(library_limits(CpuIsa::kAvx512) == Limits{{"ATEN_CPU_CAPABILITY", "avx512"},
                                                  {"ONEDNN_MAX_CPU_ISA", "AVX512_CORE"},
                                                  {"MKL_ENABLE_INSTRUCTIONS", "AVX512"}});
  CHECK(library_limits(CpuIsa::kAvx512Bf16) == Limits{{"ATEN_CPU_CAPABILITY", "avx512"},
                                                      {"ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"},
                                                      {"MKL_ENABLE_INSTRUCTIONS", "AVX512_E3"}});
#endif
}

}  // namespace
}  // namespace lathe
