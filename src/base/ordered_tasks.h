// Runs tasks on several threads and takes their results in the order in which they were given.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <utility>

namespace lathe {

// At most `n_threads` tasks run at a time. One thread may use it. `take` runs on that thread, once
// a result, in order; an exception of a task comes out of add() or finish().
template <class Result>
class OrderedTasks {
 public:
  OrderedTasks(int n_threads, std::function<void(Result)> take)
      : n_threads_(static_cast<size_t>(n_threads > 0 ? n_threads : 1)), take_(std::move(take)) {}

  // Starts `task() -> Result`; waits for the oldest one first when all threads are busy.
  template <class Task>
  void add(Task task) {
    if (running_.size() >= n_threads_) take_oldest();
    running_.push_back(std::async(std::launch::async, std::move(task)));
  }

  void finish() {
    while (!running_.empty()) take_oldest();
  }

 private:
  void take_oldest() {
    std::future<Result> oldest = std::move(running_.front());
    running_.pop_front();
    take_(oldest.get());
  }

  size_t n_threads_;
  std::function<void(Result)> take_;
  std::deque<std::future<Result>> running_;  // their destructors wait
};

}  // namespace lathe
