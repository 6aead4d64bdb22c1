#include "base/stop_signals.h"

namespace lathe {

namespace {

volatile std::sig_atomic_t g_caught = 0;

void on_signal(int signal) {
  if (g_caught != 0) {
    // Blocked until this returns, and deadly then.
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  g_caught = signal;
}

}  // namespace

StopSignals::StopSignals() {
  g_caught = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &pipe_before_);
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  ::sigaction(SIGPIPE, &pipe_before_, nullptr);
}

bool StopSignals::caught() { return g_caught != 0; }

std::string_view StopSignals::name() {
  const int signal = g_caught;
  return signal == SIGTERM ? "SIGTERM" : signal == SIGHUP ? "SIGHUP" : "SIGINT";
}

}  // namespace lathe
