#include "weights/merge.h"

#include <algorithm>

namespace lathe {

namespace {

void merge_two_factor(const LinearSpec& spec, std::span<const std::span<const float>> weights,
                      std::span<float> dense) {
  const auto f = two_factor(spec);
  LATHE_CHECK(weights.size() == 2);
  const std::span<const float> v = weights[0], u = weights[1];
  const i64 L = f->u_blocks;
  std::vector<double> line(static_cast<size_t>(spec.in));
  for (i64 l = 0; l < L; ++l) {
    for (i64 s = 0; s < f->u_out; ++s) {
      std::fill(line.begin(), line.end(), 0.0);
      for (i64 r = 0; r < f->u_in; ++r) {
        const double scale = u[static_cast<size_t>((l * f->u_out + s) * f->u_in + r)];
        const i64 j = r * L + l;     // position in the inner vector z
        const i64 k = j / f->v_out;  // the slice of x it came from
        const size_t from = static_cast<size_t>(j * f->v_in);
        const size_t to = static_cast<size_t>(k * f->v_in);
        for (size_t p = 0; p < static_cast<size_t>(f->v_in); ++p) {
          line[to + p] += scale * static_cast<double>(v[from + p]);
        }
      }
      const size_t at = static_cast<size_t>((s * L + l) * spec.in);
      for (size_t i = 0; i < line.size(); ++i) dense[at + i] = static_cast<float>(line[i]);
    }
  }
}

}  // namespace

void merge_to_dense(const LinearSpec& spec, std::span<const std::span<const float>> weights,
                    std::span<float> dense) {
  LATHE_CHECK(static_cast<i64>(dense.size()) == spec.in * spec.out);
  switch (form_of(spec)) {
    case LinearForm::kDense:
      LATHE_CHECK(weights.size() == 1 && weights[0].size() == dense.size());
      std::copy(weights[0].begin(), weights[0].end(), dense.begin());
      break;
    case LinearForm::kTwoFactor:
      merge_two_factor(spec, weights, dense);
      break;
  }
}

}  // namespace lathe
