// What is known of keys beside their values: read off a visit.
#include <cmath>

#include "base/error.h"
#include "base/fields.h"

namespace lathe {

namespace {

// Follows a visit by dotted keys.
class KeyVisitor : public FieldVisitor {
 public:
  void field(std::string_view key, bool&, std::string_view) override { seen(key); }
  void field(std::string_view key, i64&, std::string_view) override { seen(key); }
  void field(std::string_view key, double&, std::string_view) override { seen(key); }
  void field(std::string_view key, std::string&, std::string_view) override { seen(key); }
  void field(std::string_view key, std::vector<i64>&, std::string_view) override { seen(key); }
  void field(std::string_view key, std::vector<double>&, std::string_view) override { seen(key); }
  void field(std::string_view key, std::vector<std::string>&, std::string_view) override {
    seen(key);
  }
  void choice(std::string_view key, int&, std::span<const std::string_view>,
              std::string_view) override {
    seen(key);
  }
  void begin_section(std::string_view key, std::string_view) override {
    prefixes_.push_back(prefixes_.back() + std::string(key) + ".");
  }
  void end_section() override { prefixes_.pop_back(); }

 protected:
  virtual void seen(std::string_view) {}
  std::string dotted(std::string_view key) const { return prefixes_.back() + std::string(key); }

 private:
  std::vector<std::string> prefixes_ = {""};
};

class Collector : public KeyVisitor {
 public:
  void note(std::string_view key, const KeyMeaning& meaning) override {
    meanings.emplace(dotted(key), meaning);
  }
  KeyMeanings meanings;
};

class RangeChecker : public KeyVisitor {
 public:
  explicit RangeChecker(std::string area) : area_(std::move(area)) {}
  using KeyVisitor::field;
  void note(std::string_view, const KeyMeaning& meaning) override { range_ = meaning; }
  void field(std::string_view key, i64& value, std::string_view) override {
    check(key, value, static_cast<i64>(std::max(range_.least, -0x1p62)),
          static_cast<i64>(std::min(range_.most, 0x1p62)));
  }
  void field(std::string_view key, double& value, std::string_view) override {
    check(key, value, range_.least, range_.most);
  }
  void field(std::string_view key, std::vector<double>& values, std::string_view) override {
    const KeyMeaning range = range_;
    for (const double value : values) {
      range_ = range;
      check(key, value, range.least, range.most);
    }
    range_ = {};
  }

 private:
  void seen(std::string_view) override { range_ = {}; }

  // A NaN is in no range.
  template <class T>
  void check(std::string_view key, T value, T least, T most) {
    const bool bounded = std::isfinite(range_.least) || std::isfinite(range_.most);
    const bool above = std::isfinite(range_.most);
    range_ = {};
    if (!bounded || (value >= least && value <= most)) return;
    if (!above) fail("[{}] {} is {}, expected at least {}", area_, dotted(key), value, least);
    fail("[{}] {} is {}, expected {} … {}", area_, dotted(key), value, least, most);
  }

  std::string area_;
  KeyMeaning range_;
};

}  // namespace

KeyMeanings collect_meanings(const std::function<void(FieldVisitor&)>& visit) {
  Collector collector;
  visit(collector);
  return std::move(collector.meanings);
}

void check_visited_ranges(const std::function<void(FieldVisitor&)>& visit,
                          const std::string& area) {
  RangeChecker checker(area);
  visit(checker);
}

}  // namespace lathe
