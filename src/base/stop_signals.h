// Being asked to stop, by a signal.
#pragma once

#include <csignal>
#include <string_view>

namespace lathe {

// While it lives, the first SIGTERM, SIGINT or SIGHUP is only remembered; a second one of any of
// them ends the process at once. Those that were ignored before (nohup) stay ignored, and a
// broken pipe behind the output is no reason to end before the weights are saved. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Whether there has been one since the last StopSignals was made.
  static bool caught();
  // "SIGTERM" and the like; caught() holds.
  static std::string_view name();

 private:
  static constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP};
  struct sigaction before_[3] = {};
  struct sigaction pipe_before_ = {};
};

}  // namespace lathe
