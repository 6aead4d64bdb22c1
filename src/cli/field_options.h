// A struct's field list as options: one list feeds options, config and help.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>

#include "base/fields.h"
#include "cli/count_ranges.h"

namespace lathe {

// Adds an option for each field visited: --repeat-penalty of repeat_penalty. The fields must
// outlive the app's parse. For plain structs of numbers and texts.
class OptionAdder : public FieldVisitor {
 public:
  explicit OptionAdder(CLI::App& app) : app_(app) {}
  void field(std::string_view key, bool& value, std::string_view help) override {
    app_.add_flag(name(key), value, std::string(help));
  }
  void field(std::string_view key, i64& value, std::string_view help) override {
    add(key, value, help)->check(kWholeNumber);
  }
  void field(std::string_view key, double& value, std::string_view help) override {
    add(key, value, help);
  }
  void field(std::string_view key, std::string& value, std::string_view help) override {
    add(key, value, help);
  }
  void field(std::string_view key, std::vector<i64>& value, std::string_view help) override {
    add(key, value, help);
  }
  void field(std::string_view key, std::vector<double>& value, std::string_view help) override {
    add(key, value, help);
  }
  void field(std::string_view key, std::vector<std::string>& value,
             std::string_view help) override {
    add(key, value, help);
  }
  void choice(std::string_view, int&, std::span<const std::string_view>,
              std::string_view) override {
    LATHE_CHECK(false && "an option of names is add_choice()'s");
  }
  void begin_section(std::string_view, std::string_view) override { LATHE_CHECK(false); }
  void end_section() override { LATHE_CHECK(false); }

 private:
  static std::string name(std::string_view key) {
    std::string text = "--" + std::string(key);
    std::replace(text.begin(), text.end(), '_', '-');
    return text;
  }
  template <class T>
  CLI::Option* add(std::string_view key, T& value, std::string_view help) {
    return app_.add_option(name(key), value, std::string(help))->capture_default_str();
  }
  CLI::App& app_;
};

}  // namespace lathe
