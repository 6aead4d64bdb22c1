// One field list a struct: `void visit_fields(FieldVisitor& v)` feeds defaults, help, JSON, TOML,
// --set and the resolved run file, so that none of them can drift from the others.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/enum_names.h"
#include "base/numeric.h"

namespace lathe {

// Whether a run that goes on may have another value than the run before: not at all; it may, and
// says so; or it may, since the weights do not depend on it.
enum class OnResume { kRefused, kSaid, kFree };

// What a key is to a comparison of runs.
enum class KeyRole {
  kVariant,    // what is compared
  kIgnored,    // names or watches the run; the result is the same
  kSize,       // how large the model is
  kLength,     // how long it trains
  kFollows,    // usually set to suit the size: compared only where two groups of one size differ in
               // it
  kStructure,  // compared, and another in the dense twin of a structured model
};

// What is to be known of a key beside its help: one place for its range, resuming and comparing.
struct KeyMeaning {
  OnResume on_resume = OnResume::kRefused;
  KeyRole role = KeyRole::kVariant;
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();

  constexpr KeyMeaning from(double low) const { return within(low, most); }
  constexpr KeyMeaning within(double low, double high) const {
    return {on_resume, role, low, high};
  }
};

// Sees each field as (key, value, help). Enumerations are visited by name: names_of(E) lists them
// beside the enum (base/enum_names.h).
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void field(std::string_view key, bool& value, std::string_view help) = 0;
  virtual void field(std::string_view key, i64& value, std::string_view help) = 0;
  virtual void field(std::string_view key, double& value, std::string_view help) = 0;
  virtual void field(std::string_view key, std::string& value, std::string_view help) = 0;
  virtual void field(std::string_view key, std::vector<i64>& value, std::string_view help) = 0;
  virtual void field(std::string_view key, std::vector<double>& value, std::string_view help) = 0;
  virtual void field(std::string_view key, std::vector<std::string>& value,
                     std::string_view help) = 0;
  virtual void choice(std::string_view key, int& index, std::span<const std::string_view> names,
                      std::string_view help) = 0;

  template <class E>
  requires std::is_enum_v<E>
  void field(std::string_view key, E& value, std::string_view help) {
    int index = static_cast<int>(value);
    choice(key, index, kNamesOf<E>, help);
    value = static_cast<E>(index);
  }

  // A field with more to know of it.
  template <class T>
  void field(std::string_view key, T& value, std::string_view help, const KeyMeaning& meaning) {
    note(key, meaning);
    field(key, value, help);
  }
  // Comes before its field. For visitors that care.
  virtual void note(std::string_view, const KeyMeaning&) {}

  template <class S>
  void section(std::string_view key, S& value, std::string_view help) {
    begin_section(key, help);
    value.visit_fields(*this);
    end_section();
  }

  // A table of sections of one sort, whose names are not known beforehand; reading adds those that
  // are not there yet.
  template <class S>
  void sections(std::string_view key, std::map<std::string, S>& values, std::string_view help) {
    begin_section(key, help);
    for (const std::string& name : section_names()) values[name];
    for (auto& [name, value] : values) section(name, value, "");
    end_section();
  }

  virtual void begin_section(std::string_view key, std::string_view help) = 0;
  virtual void end_section() = 0;

 protected:
  // Names that the section just begun is to have, for those who bring values.
  virtual std::vector<std::string> section_names() const { return {}; }
};

using Json = nlohmann::ordered_json;

// Reads a JSON object into a struct's fields. A missing key keeps the field's value; an unknown
// key, or a value of another type, is an Error that names `where`, the key, and the nearest known
// key.
class FieldReader : public FieldVisitor {
 public:
  FieldReader(const Json& object, std::string where);
  ~FieldReader() override;
  void field(std::string_view key, bool& value, std::string_view help) override;
  void field(std::string_view key, i64& value, std::string_view help) override;
  void field(std::string_view key, double& value, std::string_view help) override;
  void field(std::string_view key, std::string& value, std::string_view help) override;
  void field(std::string_view key, std::vector<i64>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<double>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<std::string>& value, std::string_view help) override;
  void choice(std::string_view key, int& index, std::span<const std::string_view> names,
              std::string_view help) override;
  void begin_section(std::string_view key, std::string_view help) override;
  void end_section() override;
  // To be called after the visit: fails if the object has keys that were not visited.
  void finish();

 protected:
  std::vector<std::string> section_names() const override;

 private:
  struct Level;
  const Json* find(std::string_view key);
  template <class T, class Take>
  void element(std::string_view key, T& value, const char* expected, Take take);
  void check_unknown(const Level& level) const;
  [[noreturn]] void wrong_type(std::string_view key, const Json& found, const char* expected) const;
  std::vector<Level> levels_;
  std::string where_;
};

template <class S>
void read_fields(const Json& object, S& into, const std::string& where) {
  FieldReader reader(object, where);
  into.visit_fields(reader);
  reader.finish();
}

// Writes the fields of a struct, in order, into a JSON object.
class FieldWriter : public FieldVisitor {
 public:
  FieldWriter();
  ~FieldWriter() override;
  void field(std::string_view key, bool& value, std::string_view help) override;
  void field(std::string_view key, i64& value, std::string_view help) override;
  void field(std::string_view key, double& value, std::string_view help) override;
  void field(std::string_view key, std::string& value, std::string_view help) override;
  void field(std::string_view key, std::vector<i64>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<double>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<std::string>& value, std::string_view help) override;
  void choice(std::string_view key, int& index, std::span<const std::string_view> names,
              std::string_view help) override;
  void begin_section(std::string_view key, std::string_view help) override;
  void end_section() override;
  Json take();

 private:
  std::vector<Json> levels_;
  std::vector<std::string> keys_;
};

// The fields of `from` as JSON. `from` is visited, not changed. (Tree and Writer are parameters
// only so that Json may still be incomplete here.)
template <class S, class Tree = Json, class Writer = FieldWriter>
Tree write_fields(const S& from) {
  Writer writer;
  S copy = from;
  copy.visit_fields(writer);
  return writer.take();
}

// The fields as TOML, each with its help as a comment: what `--print-config` shows.
class TomlPrinter : public FieldVisitor {
 public:
  void field(std::string_view key, bool& value, std::string_view help) override;
  void field(std::string_view key, i64& value, std::string_view help) override;
  void field(std::string_view key, double& value, std::string_view help) override;
  void field(std::string_view key, std::string& value, std::string_view help) override;
  void field(std::string_view key, std::vector<i64>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<double>& value, std::string_view help) override;
  void field(std::string_view key, std::vector<std::string>& value, std::string_view help) override;
  void choice(std::string_view key, int& index, std::span<const std::string_view> names,
              std::string_view help) override;
  void begin_section(std::string_view key, std::string_view help) override;
  void end_section() override;
  std::string take();

 private:
  // TOML gives every line after a [header] to that table, so a table's own lines go before the
  // tables inside it, whatever the order of the visit.
  struct Level {
    std::string path, lines, sections;
  };
  void line(std::string_view key, const std::string& value, std::string_view help);
  std::vector<Level> levels_ = {{}};
};

template <class S>
std::string print_toml(const S& from) {
  TomlPrinter printer;
  S copy = from;
  copy.visit_fields(printer);
  return printer.take();
}

// The meanings of all keys of a struct, dotted; those without one are absent.
using KeyMeanings = std::map<std::string, KeyMeaning>;
KeyMeanings collect_meanings(const std::function<void(FieldVisitor&)>& visit);
template <class S>
KeyMeanings key_meanings() {
  return collect_meanings([](FieldVisitor& v) {
    S fields;
    fields.visit_fields(v);
  });
}

// Error "[AREA] KEY is VALUE, expected …" for the first number outside its key's range.
void check_visited_ranges(const std::function<void(FieldVisitor&)>& visit, const std::string& area);
template <class S>
void check_ranges(const S& of, const std::string& area) {
  const auto visit = [&](FieldVisitor& v) {
    S copy = of;
    copy.visit_fields(v);
  };
  check_visited_ranges(visit, area);
}

}  // namespace lathe
