#include "cli/bench_engine.h"

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/cpu_isa.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/median.h"

namespace lathe {

namespace {

// As llama-bench names them: pp512, tg128, tg128 @ d512.
std::string test_name(const EngineBenchRow& row) {
  std::string name = row.n_prompt > 0 ? format("pp{}", row.n_prompt) : "";
  if (row.n_generated > 0) name += format("tg{}", row.n_generated);
  if (row.depth > 0) name += format(" @ d{}", row.depth);
  return name;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// Of a sample; 0 for a single value.
double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double m = mean(values);
  double sum = 0;
  for (const double v : values) sum += (v - m) * (v - m);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::string iso_time(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::vector<double> speeds(const EngineBenchRow& row) {
  std::vector<double> list;
  for (const double s : row.seconds) list.push_back(static_cast<double>(row.n_tokens()) / s);
  return list;
}

double share_of_limit(const EngineBenchRow& row) {
  return row.limit > 0 ? row.needed / row.limit : 0;
}

Json to_json(const EngineBenchRow& row) {
  std::vector<double> ns;
  for (const double s : row.seconds) ns.push_back(std::round(s * 1e9));
  const std::vector<double> ts = speeds(row);
  Json json;
  json["build_commit"] = "";
  json["build_number"] = 0;
  json["cpu_info"] = name_of(active_isa());
  json["gpu_info"] = "";
  json["backends"] = "lathe";
  json["model_filename"] = row.model;
  json["model_type"] = row.type;
  json["model_size"] = row.n_bytes;
  json["model_n_params"] = row.n_params;
  json["n_threads"] = row.threads;
  json["type_k"] = name_of(row.cache);
  json["type_v"] = name_of(row.cache);
  json["n_prompt"] = row.n_prompt;
  json["n_gen"] = row.n_generated;
  json["n_depth"] = row.depth;
  json["test_time"] = iso_time(row.start);
  json["avg_ns"] = std::round(mean(ns));
  json["stddev_ns"] = std::round(deviation(ns));
  json["avg_ts"] = mean(ts);
  json["stddev_ts"] = deviation(ts);
  json["median_ts"] = row.speed();
  json["share_of_limit"] = row.limit > 0 ? Json(share_of_limit(row)) : Json(nullptr);
  json["samples_ns"] = ns;
  json["samples_ts"] = ts;
  return json;
}

std::string table(const std::vector<EngineBenchRow>& rows) {
  std::string text =
      "| model | type | size | params | threads | test | t/s | median | of limit |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const EngineBenchRow& row : rows) {
    const std::vector<double> ts = speeds(row);
    text += format("| {} | {} | {:.2f} MiB | {:.2f} M | {} | {} | {:.2f} ± {:.2f} | {:.2f} | ",
                   row.model, row.type, static_cast<double>(row.n_bytes) / (1 << 20),
                   static_cast<double>(row.n_params) / 1e6, row.threads, test_name(row), mean(ts),
                   deviation(ts), row.speed());
    text += row.limit > 0 ? format("{:.0f} % |\n", 100 * share_of_limit(row)) : "– |\n";
  }
  return text;
}

std::string csv(const std::vector<EngineBenchRow>& rows) {
  std::string text;
  for (const EngineBenchRow& row : rows) {
    Json json = to_json(row);
    json.erase("samples_ns");
    json.erase("samples_ts");
    std::string head, line;
    for (const auto& [key, value] : json.items()) {
      head += (head.empty() ? "" : ",") + key;
      const std::string cell = value.is_string() ? value.get<std::string>() : value.dump();
      std::string quoted;
      for (const char c : cell) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
      line += (line.empty() ? "\"" : ",\"") + quoted + "\"";
    }
    if (text.empty()) text = head + "\n";
    text += line + "\n";
  }
  return text;
}

}  // namespace

double EngineBenchRow::speed() const { return static_cast<double>(n_tokens()) / median(seconds); }

std::string engine_bench_text(const std::vector<EngineBenchRow>& rows, BenchFormat format) {
  switch (format) {
    case BenchFormat::kMd:
      return table(rows);
    case BenchFormat::kCsv:
      return csv(rows);
    case BenchFormat::kJson: {
      Json list = Json::array();
      for (const EngineBenchRow& row : rows) list.push_back(to_json(row));
      return list.dump(2) + "\n";
    }
    case BenchFormat::kJsonl: {
      std::string text;
      for (const EngineBenchRow& row : rows) text += to_json(row).dump() + "\n";
      return text;
    }
  }
  return "";
}

}  // namespace lathe
