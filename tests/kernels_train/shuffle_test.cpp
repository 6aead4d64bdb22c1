// Dealing columns to groups and collecting them, against plain loops.
#include "kernels_train/support.h"

namespace lathe::test {

namespace {

constexpr int64_t kGroups[] = {2, 3, 4, 5, 8, 16};
// 0 to two vectors and one more, and the odd sizes around them.
constexpr int64_t kColumns[] = {0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65};
constexpr int64_t kRows = 19;  // twice the rows that share their sums, and three
constexpr std::pair<int64_t, int64_t> kRanges[] = {{0, kRows}, {3, 4}, {5, 18}, {7, 7}};

}  // namespace

TEST_CASE_TEMPLATE(
    "shuffle_columns: group l gets columns l, l + L, … of the rows in its range alone", Table,
    LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(6);
  for (const int64_t L : kGroups) {
    for (const int64_t C : kColumns) {
      for (const auto& [begin, end] : kRanges) {
        CAPTURE(L);
        CAPTURE(C);
        CAPTURE(begin);
        Buffer<S> x(kRows * C * L, C % 5), groups(L * kRows * C, C % 3);
        fill_normal(x, rng);
        const S before(0.5f);
        for (int64_t i = 0; i < groups.size(); ++i) groups[i] = before;
        kernels->shuffle_columns(
            {.N = kRows, .L = L, .C = C, .x = x.data(), .groups = groups.data()}, begin, end);
        for (int64_t l = 0; l < L; ++l) {
          for (int64_t n = 0; n < kRows; ++n) {
            const bool inside = n >= begin && n < end;
            for (int64_t c = 0; c < C; ++c) {
              const S want = inside ? x[(n * C + c) * L + l] : before;
              REQUIRE(value(groups[(l * kRows + n) * C + c]) == value(want));
            }
          }
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("shuffle_columns: adds the columns' sums over its range", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(7);
  for (const int64_t L : kGroups) {
    for (const int64_t C : kColumns) {
      for (const auto& [begin, end] : kRanges) {
        CAPTURE(L);
        CAPTURE(C);
        Buffer<S> x(kRows * C * L), groups(L * kRows * C), dealt(L * kRows * C);
        Buffer<float> sums(C * L, 1);
        fill_normal(x, rng);
        fill_normal(groups, rng);
        for (int64_t i = 0; i < groups.size(); ++i) dealt[i] = groups[i];
        std::vector<double> expected(static_cast<size_t>(C * L), 0.25), bound(expected);
        for (int64_t i = 0; i < C * L; ++i) {
          const auto at = static_cast<size_t>(i);
          sums[i] = 0.25f;
          for (int64_t n = begin; n < end; ++n) {
            expected[at] += value(x[n * C * L + i]);
            bound[at] += std::abs(value(x[n * C * L + i]));
          }
          bound[at] *= 1e-6;
        }
        ShuffleColumns args{.N = kRows, .L = L, .C = C, .x = x.data(), .groups = groups.data()};
        args.sums = sums.data();
        kernels->shuffle_columns(args, begin, end);
        check_close("sums", sums, expected, bound);
        // The sums change nothing about the groups.
        args.sums = nullptr;
        args.groups = dealt.data();
        kernels->shuffle_columns(args, begin, end);
        CHECK(groups == dealt);
      }
    }
  }
}

TEST_CASE_TEMPLATE("unshuffle_columns: undoes shuffle_columns, and adds the bias as f32 does",
                   Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(8);
  for (const int64_t L : kGroups) {
    for (const int64_t C : kColumns) {
      for (const auto& [begin, end] : kRanges) {
        for (const bool with_bias : {false, true}) {
          CAPTURE(L);
          CAPTURE(C);
          CAPTURE(with_bias);
          Buffer<S> groups(L * kRows * C, C % 3), y(kRows * C * L, C % 5), bias(C * L, 1);
          fill_normal(groups, rng);
          fill_normal(bias, rng);
          const S before(0.5f);
          for (int64_t i = 0; i < y.size(); ++i) y[i] = before;
          UnshuffleColumns args{.N = kRows, .L = L, .C = C, .groups = groups.data(), .y = y.data()};
          if (with_bias) args.bias = bias.data();
          kernels->unshuffle_columns(args, begin, end);
          for (int64_t n = 0; n < kRows; ++n) {
            const bool inside = n >= begin && n < end;
            for (int64_t i = 0; i < C * L; ++i) {
              const S group = groups[(i % L * kRows + n) * C + i / L];
              const S sum(static_cast<float>(group) + static_cast<float>(bias[i]));
              const S want = !inside ? before : with_bias ? sum : group;
              REQUIRE(value(y[n * C * L + i]) == value(want));
            }
          }
        }
      }
    }
  }
}

}  // namespace lathe::test
