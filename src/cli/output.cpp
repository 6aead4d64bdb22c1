#include "cli/output.h"

#include <cstdio>

#include "base/error.h"

namespace lathe {

void write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail_errno("[output] cannot write the output");
  }
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_errno("[output] cannot write the output");
}

void print(std::string_view text) {
  write_output(text);
  flush_output();
}

}  // namespace lathe
