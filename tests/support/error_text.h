// What an operation says when it fails.
#pragma once

#include <string>

#include "base/error.h"

namespace lathe::test {

// The message of the Error that `action` throws, or "" when it throws none.
template <class Action>
std::string error_text(Action&& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lathe::test
