// Ctrl-C and its like during long work: what is half-written goes, and the program ends.
#pragma once

#include <signal.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace lathe {

// While it lives, SIGINT, SIGTERM and SIGHUP (those not ignored from the start, as under nohup) end
// the program with status 1, whatever its threads are waiting for or counting. A thread of its own
// waits for them, runs the clean-up and prints `message`. Made before other threads are.
class InterruptGuard {
 public:
  explicit InterruptGuard(std::string message);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // What `action` returns; a signal waits for its end.
  template <class Action>
  auto undisturbed(Action&& action) {
    const std::lock_guard lock(mutex_);
    return action();
  }
  // Within an undisturbed action: what must go, from now on. Runs on another thread while the
  // others still work.
  void set_clean_up(std::function<void()> clean_up) { clean_up_ = std::move(clean_up); }
  // Within an undisturbed action: the work is done, and a signal comes too late.
  void finish() { finished_ = true; }

 private:
  void wait();

  std::string message_;
  std::mutex mutex_;
  std::function<void()> clean_up_;
  bool finished_ = false;
  sigset_t awaited_;
  sigset_t old_mask_;
  std::thread thread_;
};

}  // namespace lathe
