#include "kernels/onednn.h"

#include <omp.h>

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.h"
#include "kernels/dispatch.h"

namespace lathe {

namespace {

// Debian's oneDNN would start OpenMP threads of its own, beside ours and for each of ours.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

struct ShapeHash {
  size_t operator()(const GemmShape& s) const {
    size_t h = s.b_transposed;
    for (const i64 x : {s.m, s.n, s.k, s.lda, s.ldb, s.ldc}) {
      h = (h ^ static_cast<size_t>(x)) * size_t{0x9E3779B97F4A7C15u};
      h ^= h >> 29;
    }
    return h;
  }
};

using dnnl::matmul;
using dnnl::memory;

// A compiled product and the memory objects that its arguments are passed in.
struct Compiled {
  matmul primitive;
  memory a, b, c;
  std::unordered_map<int, memory> arguments;
};

matmul::primitive_desc describe(const dnnl::engine& engine, const memory::desc& a,
                                const memory::desc& b, const memory::desc& c) {
#if DNNL_VERSION_MAJOR >= 3
  return matmul::primitive_desc(engine, a, b, c);
#else
  return matmul::primitive_desc(matmul::desc(a, b, c), engine);
#endif
}

Compiled compile(const dnnl::engine& engine, const GemmShape& s) {
  const auto type = memory::data_type::f32;
  const memory::dims b_strides = s.b_transposed ? memory::dims{1, s.ldb} : memory::dims{s.ldb, 1};
  const memory::desc a({s.m, s.k}, type, memory::dims{s.lda, 1});
  const memory::desc b({s.k, s.n}, type, b_strides);
  const memory::desc c({s.m, s.n}, type, memory::dims{s.ldc, 1});
  Compiled out;
  out.primitive = matmul(describe(engine, a, b, c));
  out.a = memory(a, engine, nullptr);
  out.b = memory(b, engine, nullptr);
  out.c = memory(c, engine, nullptr);
  out.arguments = {{DNNL_ARG_SRC, out.a}, {DNNL_ARG_WEIGHTS, out.b}, {DNNL_ARG_DST, out.c}};
  return out;
}

constexpr size_t kMaxShapes = 512;

}  // namespace

struct Gemm::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::unordered_map<GemmShape, Compiled, ShapeHash> compiled;
};

Gemm::Gemm() : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;

void limit_gemm_isa(const Kernels& kernels) {
  struct Limit {
    const char* isa;
    dnnl_cpu_isa_t most;
  };
  // oneDNN has no plain C++ for products: SSE 4.1 is its least.
  constexpr Limit kLimits[] = {{"scalar", dnnl_cpu_isa_sse41},
                               {"avx2", dnnl_cpu_isa_avx2},
                               {"avx512", dnnl_cpu_isa_avx512_core},
                               {"avx512_bf16", dnnl_cpu_isa_avx512_core_bf16}};
  // A CPU with more than the widest table (AMX) may use it, unless the user has named a class.
  if (!requested_isa() && kernels_for(supported_isas().back()).isa == kernels.isa) return;
  for (const Limit& limit : kLimits) {
    if (std::strcmp(kernels.isa, limit.isa) == 0) dnnl_set_max_cpu_isa(limit.most);
  }
}

void Gemm::operator()(const GemmShape& shape, const float* a, const float* b, float* c) {
  if (shape.m == 0 || shape.n == 0) return;
  const OneThread one_thread;
  try {
    auto at = impl_->compiled.find(shape);
    if (at == impl_->compiled.end()) {
      if (impl_->compiled.size() >= kMaxShapes) impl_->compiled.clear();
      at = impl_->compiled.emplace(shape, compile(impl_->engine, shape)).first;
    }
    Compiled& product = at->second;
    // oneDNN takes its arguments as writable and does not write the inputs.
    product.a.set_data_handle(const_cast<float*>(a));
    product.b.set_data_handle(const_cast<float*>(b));
    product.c.set_data_handle(c);
    product.primitive.execute(impl_->stream, product.arguments);
  } catch (const dnnl::error& e) {
    fail("[onednn] product of {} × {} by {} × {} failed: {}", shape.m, shape.k, shape.k, shape.n,
         e.what());
  }
}

}  // namespace lathe
