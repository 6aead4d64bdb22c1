// Scratch memory that threads borrow for one call and give back, so that caches in it stay warm
// without being tied to threads.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lathe {

// Any number of threads. Holds as many objects as were ever borrowed at the same time.
template <class T>
class ScratchPool {
 public:
  // A T for the lifetime of this object; the pool must outlive it.
  class Borrowed {
   public:
    // `make() -> std::unique_ptr<T>` is called when none is idle.
    template <class Make>
    Borrowed(ScratchPool& pool, Make&& make) : pool_(pool), scratch_(pool.take()) {
      if (!scratch_) scratch_ = make();
    }
    ~Borrowed() {
      const std::lock_guard lock(pool_.mutex_);
      pool_.idle_.push_back(std::move(scratch_));
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    T& operator*() { return *scratch_; }
    T* operator->() { return scratch_.get(); }

   private:
    ScratchPool& pool_;
    std::unique_ptr<T> scratch_;
  };

 private:
  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<T> last = std::move(idle_.back());
    idle_.pop_back();
    return last;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace lathe
