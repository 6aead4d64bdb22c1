#include "cli/eval_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace lathe {

namespace {

constexpr const char* kFigures[] = {"acc", "acc_norm", "acc_token_norm", "bits_per_byte"};

std::string line_of(const std::string& name, const Json& result) {
  std::string line = name;
  for (const auto& [key, value] : result.items()) {
    line += "  " + key + " ";
    line += value.is_number_float() ? format("{:.5g}", value.get<double>()) : value.dump();
  }
  return line + "\n";
}

// "0.2914 ± 0.0045"; "–" where there is no such figure.
std::string cell(const Json& result, const std::string& figure, bool with_sign) {
  const auto value = result.find(figure);
  if (value == result.end()) return "–";
  const double mean = value->get<double>();
  std::string text = with_sign ? format("{:+.4f}", mean) : format("{:.4f}", mean);
  const auto error = result.find(figure + "_stderr");
  if (error != result.end() && error->is_number()) {
    text += format(" ± {:.4f}", error->get<double>());
  }
  return text;
}

size_t columns_of(const std::string& text) {
  size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

using Row = std::vector<std::string>;

Row row_of(const std::string& name, const std::string& n, const Json& result, bool with_sign) {
  Row row = {name, n};
  for (const char* figure : kFigures) row.push_back(cell(result, figure, with_sign));
  return row;
}

std::string aligned(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - columns_of(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string perplexity_lines(const TaskReport& report) {
  std::string lines = line_of(report.name, report.result);
  if (!report.against.is_null()) {
    lines += line_of("  against", report.against) + line_of("  difference", report.difference);
  }
  return lines;
}

std::string choice_table(std::span<const TaskReport> reports) {
  std::vector<Row> rows = {{"task", "n"}};
  rows[0].insert(rows[0].end(), std::begin(kFigures), std::end(kFigures));
  bool noise = false, invalid = false;
  for (const TaskReport& report : reports) {
    if (!report.is_choice) continue;
    const bool is_noise = report.result.contains("noise");
    const bool is_invalid = report.result.contains("invalid");
    noise |= is_noise;
    invalid |= is_invalid;
    rows.push_back(row_of(report.name + (is_noise ? " *" : "") + (is_invalid ? " !" : ""),
                          report.result.at("n").dump(), report.result, false));
    if (report.against.is_null()) continue;
    rows.push_back(row_of("  against", "", report.against, false));
    rows.push_back(row_of("  difference", "", report.difference, true));
  }
  if (rows.size() == 1) return "";
  std::string text = aligned(rows);
  if (noise)
    text += "* accuracies of small models are chance here; bits_per_byte tells them apart\n";
  if (invalid) {
    text +=
        "! gpt-variations' score sums ln p over all positions and the whole vocabulary and "
        "never looks at the answer: it is not valid\n";
  }
  return text;
}

std::string reports_json(std::span<const TaskReport> reports) {
  Json tasks = Json::object();
  for (const TaskReport& report : reports) {
    Json& task = tasks[report.name] = report.result;
    if (report.against.is_null()) continue;
    task["against"] = report.against;
    task["difference"] = report.difference;
  }
  Json out;
  out["tasks"] = tasks;
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lathe
