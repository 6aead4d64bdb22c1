// Options whose values are the names of an enumeration.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/enum_names.h"

namespace lathe {

// `value` must outlive the app's parse; what it holds before is the default.
template <class E>
CLI::Option* add_choice(CLI::App& app, const std::string& name, E& value, const std::string& help) {
  const std::vector<std::string> names(kNamesOf<E>.begin(), kNamesOf<E>.end());
  return app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = *value_of<E>(text); }, help)
      ->default_str(std::string(name_of(value)))
      ->check(CLI::IsMember(names));
}

}  // namespace lathe
