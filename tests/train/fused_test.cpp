// How the fused kernels' ranges are spread over LibTorch's threads.
#include "train/nn/fused.h"

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <set>
#include <thread>

using namespace lathe::train;

TEST_CASE("for_ranges runs on as many threads as LibTorch has, each index once") {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::vector<int> visits(1000);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto arrived = [&] {
    const std::lock_guard lock(mutex);
    return threads.size();
  };
  for_ranges(1000, 1, [&](int64_t begin, int64_t end) {
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    }
    // Nobody takes a second range before all three have one.
    while (arrived() < 3 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  CHECK(threads.size() == 3);
  CHECK(visits == std::vector<int>(1000, 1));
  at::set_num_threads(before);
}

TEST_CASE("sum_ranges adds every range's row once, whatever the number of threads") {
  const int before = at::get_num_threads();
  for (const int n : {1, 2, 5}) {
    at::set_num_threads(n);
    const at::Tensor sum = at::full({3}, 0.5);
    sum_ranges(100, 1, 3, sum, [&](int64_t begin, int64_t end, float* partial) {
      for (int64_t i = begin; i < end; ++i) partial[i % 3] += static_cast<float>(i);
    });
    // Σ of i = 0 … 99 with i mod 3 = 0, 1, 2, and the half that was there.
    CHECK(at::equal(sum, at::tensor({1683.5, 1617.5, 1650.5}, at::kFloat)));
  }
  at::set_num_threads(before);
}
