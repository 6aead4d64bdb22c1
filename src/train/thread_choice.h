// One thread where several are slower: small models beside other work, which takes a core from a
// run again and again while its other threads wait for that one.
#pragma once

#include <optional>
#include <vector>

#include "base/numeric.h"
#include "train/torch.h"

namespace lathe::train {

// Measures a run's updates number 2 to 7, by turns on all threads and on one, where the run file
// leaves their number open (threads = 0) and there are several; nothing of a run that goes on after
// them. What an update gives does not depend on it, beyond the rounding of LibTorch's products.
class ThreadChoice {
 public:
  // `asked` as in the run file. Uses LibTorch's present number of threads as all of them.
  ThreadChoice(i64 asked, const at::Device& device);

  // Sets LibTorch's number of threads for this update, counted from 0.
  void before(i64 update);
  // What it took. The number to go on with, once known; LibTorch has been told.
  std::optional<int> after(i64 update, double seconds);

  // Median seconds of an update: of those measured on all threads, and on one.
  double seconds_on_all() const;
  double seconds_on_one() const;
  int all() const { return all_; }

 private:
  bool is_measured(i64 update) const;

  int all_ = 1;
  bool open_ = false;
  std::vector<double> on_all_, on_one_;
};

}  // namespace lathe::train
