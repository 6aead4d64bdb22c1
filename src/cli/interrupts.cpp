#include "cli/interrupts.h"

#include <unistd.h>

#include <cstdio>

namespace lathe {
namespace {

constexpr int kEndOfWaiting = SIGUSR1;  // that the guard sends to its own thread

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

InterruptGuard::InterruptGuard(std::string message) : message_(std::move(message)) {
  ::sigemptyset(&awaited_);
  ::sigaddset(&awaited_, kEndOfWaiting);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(number)) ::sigaddset(&awaited_, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &awaited_, &old_mask_);  // threads inherit it
  thread_ = std::thread([this] { wait(); });
}

InterruptGuard::~InterruptGuard() {
  ::pthread_kill(thread_.native_handle(), kEndOfWaiting);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void InterruptGuard::wait() {
  for (;;) {
    int number = 0;
    if (::sigwait(&awaited_, &number) != 0 || number == kEndOfWaiting) return;
    const std::lock_guard lock(mutex_);
    if (finished_) continue;
    if (clean_up_) clean_up_();
    // Behind a progress line on a terminal.
    std::fputs(((::isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "") + std::string("lathe: ") +
                message_ + "\n")
                   .c_str(),
               stderr);
    ::_exit(1);
  }
}

}  // namespace lathe
