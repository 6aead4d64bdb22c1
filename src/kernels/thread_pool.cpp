#include "kernels/thread_pool.h"

#include <utility>

#include "base/error.h"

namespace lathe {

namespace {

// About 20 µs on Zen 4: longer than the pause between two loops of a forward pass, short enough not
// to take a core from others when nothing runs.
constexpr int kSpins = 1000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  LATHE_CHECK(threads >= 1);
  try {
    for (int worker = 1; worker < threads; ++worker) {
      workers_.emplace_back([this, worker] { work(worker); });
    }
  } catch (const std::exception& e) {
    const size_t started = workers_.size() + 1;
    stop_.store(true);
    round_.fetch_add(1);
    round_.notify_all();
    for (std::thread& t : workers_) t.join();
    fail("[threads] only {} of {} threads could be started: {}; use fewer", started, threads,
         e.what());
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::take_tasks(int worker) {
  try {
    for (;;) {
      const i64 task = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (task >= n_tasks_) return;
      call_(context_, task, worker);
    }
  } catch (...) {
    next_task_.store(n_tasks_, std::memory_order_relaxed);  // let the others stop early
    if (!failed_.test_and_set()) error_ = std::current_exception();
  }
}

void ThreadPool::run(i64 n_tasks, const void* context, Call call) {
  if (n_tasks <= 0) return;
  call_ = call;
  context_ = context;
  n_tasks_ = n_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  const bool shared = n_tasks > 1 && !workers_.empty();
  if (shared) {
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  take_tasks(0);
  if (shared) {
    for (int spin = 0;;) {
      const int left = busy_.load(std::memory_order_acquire);
      if (left == 0) break;
      if (++spin < kSpins) {
        pause();
      } else {
        busy_.wait(left, std::memory_order_acquire);
      }
    }
  }
  if (failed_.test()) {
    failed_.clear();
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void ThreadPool::work(int worker) {
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = round_.load(std::memory_order_acquire);
    for (int spin = 0; now == seen; now = round_.load(std::memory_order_acquire)) {
      if (++spin < kSpins) {
        pause();
      } else {
        round_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = now;
    if (stop_.load()) return;
    take_tasks(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace lathe
