#include "train/nn/init.h"

#include <cmath>

#include "base/rng.h"
#include "train/nn/projection.h"

namespace lathe::train {

at::Tensor normal_tensor(const std::vector<i64>& shape, double std, uint64_t seed,
                         uint32_t stream) {
  at::Tensor t = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  float* data = t.data_ptr<float>();
  const Random random(seed, RandomUse::kInit, stream);
  at::parallel_for(0, t.numel(), 1 << 14, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      data[i] = static_cast<float>(std * random.normal(static_cast<uint64_t>(i)));
    }
  });
  return t;
}

namespace {

// A random block (rows, cols), or a stack of them, with all singular values 1, uniformly
// distributed: Q of a QR of normal numbers with the signs of R's diagonal taken into it. (The polar
// factor of the same numbers, as in the paper's code, has the same distribution and costs an SVD.)
at::Tensor orthogonal(const std::vector<i64>& shape, uint64_t seed, uint32_t stream) {
  at::Tensor g = normal_tensor(shape, 1.0, seed, stream);
  const bool wide = g.size(-2) < g.size(-1);
  if (wide) g = g.transpose(-2, -1);
  auto [q, r] = at::linalg_qr(g);
  at::Tensor signs = r.diagonal(0, -2, -1).sign();
  q = q * signs.unsqueeze(-2);
  return (wide ? q.transpose(-2, -1) : q).contiguous();
}

// Their numbers are those of the streams `stream` and the next.
void initialise_factors(const FactorPair& pair, double init_std, uint64_t seed, uint32_t stream,
                        InitKind kind) {
  Parameter &v = *pair.v, &u = *pair.u;
  const LinearSpec& spec = pair.spec;
  const TwoFactor f = *two_factor(spec);
  const bool whole = f.v_blocks == 1 && f.u_blocks == 1;
  if (kind == InitKind::kSpectral || (kind == InitKind::kPaper && whole)) {
    const at::Tensor dense = normal_tensor({spec.out, spec.in}, v.info.std, seed, stream);
    const auto projected = project_to(spec, dense.to(v.value.device()));
    v.value.copy_(projected[0]);
    u.value.copy_(projected[1]);
    return;
  }
  v.value.copy_(orthogonal(v.info.shape, seed, stream));
  u.value.copy_(orthogonal(u.info.shape, seed, stream + 1).mul_(u.info.std / init_std));
}

}  // namespace

void initialise(Parameters& parameters, uint64_t seed, InitKind kind) {
  auto& list = parameters.list();
  double init_std = 0;  // without the scaling of residual outputs: the embedding's
  for (const Parameter& p : list) init_std = std::max(init_std, p.info.std);
  for (size_t i = 0; i < list.size(); ++i) {
    Parameter& p = list[i];
    switch (p.info.init) {
      case InitRule::kOnes:
        p.value.fill_(1);
        break;
      case InitRule::kZeros:
        p.value.zero_();
        break;
      case InitRule::kNormal: {
        const auto stream = static_cast<uint32_t>(i);
        const bool turned =
            kind == InitKind::kOrthogonal && p.info.linear && p.info.role == Role::kFfn;
        p.value.copy_(turned ? orthogonal(p.info.shape, seed, stream).mul_(p.info.std / init_std)
                             : normal_tensor(p.info.shape, p.info.std, seed, stream));
        break;
      }
      case InitRule::kFactors: {
        const FactorPair pair = factor_pair(parameters, p.info.part, *p.info.linear);
        // u comes with v.
        if (pair.v == &p) {
          initialise_factors(pair, init_std, seed, static_cast<uint32_t>(i), kind);
        }
        break;
      }
    }
  }
  parameters.refresh_compute();
}

}  // namespace lathe::train
