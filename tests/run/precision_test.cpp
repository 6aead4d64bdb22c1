#include "run/precision.h"

#include <doctest/doctest.h>

#include "base/config_tree.h"

namespace lathe {
namespace {

DeviceTraits cpu(CpuIsa isa) { return {RunDevice::kCpu, isa, 0}; }
DeviceTraits gpu(int compute_capability) {
  // The CPU beside a GPU decides nothing.
  return {RunDevice::kCuda, CpuIsa::kAvx512Bf16, compute_capability};
}

TEST_CASE("precision: auto is bf16 where the device multiplies bf16 itself, else f32") {
  const auto automatic = [](const DeviceTraits& traits) {
    const PrecisionChoice choice = choose_precision(Precision::kAuto, traits);
    CHECK(!choice.line.empty());  // what was chosen is always said
    return choice.precision;
  };
  CHECK(automatic(cpu(CpuIsa::kScalar)) == Precision::kF32);
  CHECK(automatic(cpu(CpuIsa::kAvx2)) == Precision::kF32);
  CHECK(automatic(cpu(CpuIsa::kAvx512)) == Precision::kF32);
  CHECK(automatic(cpu(CpuIsa::kAvx512Bf16)) == Precision::kBf16);
  CHECK(automatic(gpu(0)) == Precision::kF32);
  CHECK(automatic(gpu(75)) == Precision::kF32);
  CHECK(automatic(gpu(80)) == Precision::kBf16);
  CHECK(automatic(gpu(120)) == Precision::kBf16);
  CHECK(choose_precision(Precision::kAuto, cpu(CpuIsa::kAvx2)).line ==
        "precision f32: this CPU (avx2) cannot multiply bf16 itself");
  CHECK(choose_precision(Precision::kAuto, gpu(75)).line ==
        "precision f32: this GPU (compute capability 7.5) cannot multiply bf16 itself");
}

TEST_CASE("precision: what is asked for is kept, and bf16 without the instructions is said") {
  for (const DeviceTraits& traits : {cpu(CpuIsa::kAvx2), cpu(CpuIsa::kAvx512Bf16), gpu(90)}) {
    const PrecisionChoice choice = choose_precision(Precision::kF32, traits);
    CHECK(choice.precision == Precision::kF32);
    CHECK(choice.line.empty());
  }
  CHECK(choose_precision(Precision::kBf16, cpu(CpuIsa::kAvx512Bf16)).line.empty());
  for (const auto& [traits, cost] : {std::pair{cpu(CpuIsa::kScalar), "many times slower than"},
                                     std::pair{cpu(CpuIsa::kAvx2), "widens it for every product"},
                                     std::pair{gpu(75), "many times slower than"}}) {
    const PrecisionChoice slow = choose_precision(Precision::kBf16, traits);
    CHECK(slow.precision == Precision::kBf16);
    CHECK(slow.line.find(cost) != std::string::npos);
  }
}

TEST_CASE("precision: a run file without one is auto") {
  CHECK(load_run_spec("", {}).precision == Precision::kAuto);
}

}  // namespace
}  // namespace lathe
