// The classes of x86 CPU that the program knows, and the one that this process keeps to. The only
// reader of LATHE_CPU_ISA: our kernels, oneDNN, LibTorch's vector code and MKL all follow it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_names.h"

namespace lathe {

// Each class has everything that those before it have, so that they compare with <.
enum class CpuIsa {
  kScalar,      // any x86-64, and any other processor
  kAvx2,        // with FMA
  kAvx512,      // F, BW, VL and DQ
  kAvx512Bf16,  // multiplies bf16 itself; AMX, where there is one, comes on top of it
};

constexpr auto names_of(CpuIsa) {
  return enum_names<CpuIsa>("scalar", "avx2", "avx512", "avx512_bf16");
}

// Those that this CPU and its operating system run, narrowest first; never empty.
std::vector<CpuIsa> supported_isas();

// The class of that name. Error unless it is one of `supported`; an unknown name is told the
// nearest one.
CpuIsa parse_isa(std::string_view name, std::span<const CpuIsa> supported);

// What LATHE_CPU_ISA asks for; nothing where it is unset or empty. Error as in parse_isa(). Read at
// the first call.
std::optional<CpuIsa> requested_isa();

// The class this process uses: the requested one, else the widest supported. Error as above.
CpuIsa active_isa();

// The supported names, and the one in use: "scalar avx2 avx512 (in use: avx512)".
std::string describe_isas();

struct EnvironmentVariable {
  std::string name, value;
  bool operator==(const EnvironmentVariable&) const = default;
};

// What keeps LibTorch (its vector code, its oneDNN, its MKL) to `isa`. The libraries read these
// when they are loaded or first used. oneDNN and MKL have no plain C++: scalar means SSE there.
std::vector<EnvironmentVariable> library_limits(CpuIsa isa);

}  // namespace lathe
