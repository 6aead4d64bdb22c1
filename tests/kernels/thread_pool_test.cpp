#include "kernels/thread_pool.h"

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <vector>

namespace lathe {
namespace {

TEST_CASE("thread_pool: every task runs once, on a worker in range, for any number of threads") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (const int64_t n : {0, 1, 2, 3, 100}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
        std::atomic<int> wrong{0};
        pool.parallel_for(n, [&](int64_t task, int worker) {
          ++runs[static_cast<size_t>(task)];
          if (worker < 0 || worker >= threads) ++wrong;
        });
        for (const auto& r : runs) REQUIRE(r == 1);
        REQUIRE(wrong == 0);
      }
    }
  }
}

TEST_CASE("thread_pool: what one loop wrote the next one sees, also after the workers slept") {
  ThreadPool pool(3);
  std::vector<int> values(64, 0);
  for (int round = 1; round <= 300; ++round) {
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pool.parallel_for(64, [&](int64_t i, int) { ++values[static_cast<size_t>(63 - i)]; });
    for (const int v : values) REQUIRE(v == round);
  }
}

TEST_CASE("thread_pool: the first exception reaches the caller, and the pool goes on") {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_AS(pool.parallel_for(10,
                                      [](int64_t task, int) {
                                        if (task % 2) throw std::runtime_error("odd");
                                      }),
                    std::runtime_error);
    std::atomic<int> n{0};
    pool.parallel_for(10, [&](int64_t, int) { ++n; });
    CHECK(n == 10);
  }
}

}  // namespace
}  // namespace lathe
