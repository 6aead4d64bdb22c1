// Runs a study: one lathe-train after another, what is finished passed over. Several processes may
// run the same study at once: each takes the runs that no other has.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "study/child_process.h"
#include "study/study.h"

namespace lathe::study {

struct StudyPlan {
  Study study;
  std::vector<Contest> contests;
  StudyRuns runs;
  std::map<std::string, RunState> states;  // of every run
};

// Reads and checks the study and what is there of its runs. Writes nothing.
StudyPlan plan_study(const std::string& path);

class StudyRunner {
 public:
  StudyRunner(const StudyPlan& plan, std::string program);

  // Until all is done, or SIGINT or SIGTERM has stopped it.
  void run();

  bool stopped() const { return stopped_; }
  const std::set<std::string>& failed() const { return failed_; }
  // Final losses of the finished runs; NaN where there was no validation.
  const std::map<std::string, double>& losses() const { return losses_; }
  // Of each contest, the cell that the `best` axis is decided for: by name. Empty without that.
  const std::set<std::string>& chosen() const { return chosen_; }

 private:
  // Whether nothing of it is left to do; what another process trains is.
  bool run_contest(const Contest& contest);
  // Whether it is dealt with: finished, failed, or passed over because it was before.
  bool run_one(const Cell& cell, i64 seed);
  // Its final loss; NaN where it failed, has none or is not dealt with.
  double loss_of(const Cell& cell, i64 seed) const;
  bool train(const StudyRun& run, bool anew, const std::string& head);
  void take_result(const StudyRun& run, const std::string& head);
  std::string time_left() const;

  const StudyPlan& plan_;
  std::string program_;
  ChildProcesses children_;
  size_t total_ = 0;
  double flops_left_ = 0;                   // of the runs not yet dealt with, about
  double flops_trained_ = 0, seconds_ = 0;  // by runs that this study has seen from their start
  bool stopped_ = false;
  std::set<std::string> done_, failed_, chosen_, given_up_;
  std::map<std::string, double> losses_;
};

}  // namespace lathe::study
