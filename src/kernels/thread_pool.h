// A fixed set of threads that share loops. The caller is worker 0 and works along.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "base/integer.h"

namespace lathe {

// One caller at a time; loops do not nest. Workers spin for some microseconds between loops, since
// one token is hundreds of short loops, and then sleep.
class ThreadPool {
 public:
  // `threads` ≥ 1, the caller included; 1 starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls f(task, worker) for every task in [0, n_tasks), each once, in any order; returns when all
  // are done. `worker` < size() is the same for all tasks of one thread. The first exception of f
  // is thrown again here, after all threads have stopped.
  template <class F>
  void parallel_for(i64 n_tasks, const F& f) {
    run(n_tasks, &f, [](const void* context, i64 task, int worker) {
      (*static_cast<const F*>(context))(task, worker);
    });
  }

 private:
  using Call = void (*)(const void* context, i64 task, int worker);
  void run(i64 n_tasks, const void* context, Call call);
  void take_tasks(int worker);
  void work(int worker);

  std::vector<std::thread> workers_;
  // The loop in progress; written by the caller before it advances round_.
  Call call_ = nullptr;
  const void* context_ = nullptr;
  i64 n_tasks_ = 0;
  std::exception_ptr error_;
  alignas(64) std::atomic<i64> next_task_{0};
  alignas(64) std::atomic<uint32_t> round_{0};  // odd bit unused; a new value starts a loop
  alignas(64) std::atomic<int> busy_{0};        // workers that have not finished the loop
  std::atomic<bool> stop_{false};
  std::atomic_flag failed_ = ATOMIC_FLAG_INIT;
};

}  // namespace lathe
