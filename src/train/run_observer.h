// Who follows a training run: hears what it says, and may ask it to stop. No LibTorch in this
// header.
#pragma once

#include <string>

#include "run/metrics_log.h"

namespace lathe::train {

// Called on the thread that trains, between pieces of its work.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // A line for people, from this or that file or text: not safe for a terminal as it is.
  virtual void say(const std::string& line) = 0;
  // After every update.
  virtual void step(const StepMetrics& metrics) = 0;
  // Whether to stop, with a checkpoint of the last whole update. Once true it stays true.
  virtual bool stop_asked() = 0;
  // By what, where it is: "SIGTERM".
  virtual std::string stop_reason() = 0;
};

}  // namespace lathe::train
