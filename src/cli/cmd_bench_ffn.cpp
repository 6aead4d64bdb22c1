// lathe bench ffn: the speed of one feed-forward layer, structured against dense.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_options.h"
#include "cli/output.h"
#include "train/bench/ffn.h"

namespace lathe {

namespace {

struct Options : BenchOptions {
  train::BenchFfnSpec spec;
};

// "block_dense 32 %", or "dense".
std::string title(const train::BenchFfnRow& row) {
  return row.kind == "dense" ? row.kind : row.kind + " " + std::to_string(row.share) + " %";
}

std::string table(std::span<const train::BenchFfnRow> rows, bool guided) {
  std::string text = format("\nwidth {}, {} tokens\n", rows[0].width, rows[0].tokens);
  text +=
      format("{:<18} {:>11} {:>11} {:>7} {:>8} {:>11} {:>7} {:>8} {:>7} {:>10}", "", "parameters",
             "forward ms", "ratio", "of peak", "step ms", "ratio", "of peak", "limit", "step MiB");
  text += guided ? format(" {:>11} {:>11}\n", "guided ms", "/ products") : "\n";
  for (const train::BenchFfnRow& row : rows) {
    text += format(
        "{:<18} {:>11} {:>11.2f} {:>7.2f} {:>7.1f}% {:>11.2f} {:>7.2f} {:>7.1f}% {:>7.2f} "
        "{:>10.1f}",
        title(row), row.params, row.forward_ms, row.forward_speed, 100 * row.forward_peak_share,
        row.step_ms, row.step_speed, 100 * row.step_peak_share, row.limit, row.step_mib);
    if (row.guided_ms > 0) text += format(" {:>11.2f} {:>11.2f}", row.guided_ms, row.guidance_cost);
    text += "\n";
  }
  return text;
}

void print_rows(const std::vector<train::BenchFfnRow>& rows, const train::BenchFfnSpec& spec,
                int threads) {
  std::string text = format(
      "feed-forward layer, forward and forward + backward, in turns, median of {}, {}, "
      "{} threads; ratio: times dense; limit: that by FLOPs\n",
      spec.repeats, name_of(rows[0].precision), threads);
  const size_t per_table = rows.size() / (spec.widths.size() * spec.tokens.size());
  for (size_t i = 0; i < rows.size(); i += per_table) {
    text += table(std::span(rows).subspan(i, per_table), spec.guided);
  }
  print(text);
}

void print_json(const std::vector<train::BenchFfnRow>& rows, int threads) {
  Json list = Json::array();
  for (const train::BenchFfnRow& row : rows) {
    Json object;
    object["width"] = row.width;
    object["tokens"] = row.tokens;
    object["kind"] = row.kind;
    object["share"] = row.share;
    object["rank"] = row.rank;
    object["n_blocks"] = row.blocks;
    object["params"] = row.params;
    object["precision"] = name_of(row.precision);
    object["forward_ms"] = row.forward_ms;
    object["forward_speed"] = row.forward_speed;
    object["forward_peak_share"] = row.forward_peak_share;
    object["step_ms"] = row.step_ms;
    object["step_speed"] = row.step_speed;
    object["step_peak_share"] = row.step_peak_share;
    object["flop_limit"] = row.limit;
    object["step_mib"] = row.step_mib;
    if (row.guided_ms > 0) {
      object["guided_ms"] = row.guided_ms;
      object["guidance_cost"] = row.guidance_cost;
    }
    object["threads"] = threads;
    list.push_back(object);
  }
  print(list.dump(1) + "\n");
}

}  // namespace

void add_bench_ffn(CLI::App& app) {
  CLI::App& ffn = *app.add_subcommand("ffn", "one feed-forward layer, structured kinds and dense");
  const auto options = std::make_shared<Options>();
  train::BenchFfnSpec& spec = options->spec;
  ffn.add_option("--width", spec.widths, "model width, repeatable; the inner width is 4 times that")
      ->capture_default_str()
      ->allow_extra_args(false)
      ->check(kPositiveCount);
  ffn.add_option("--tokens", spec.tokens, "rows at a time, repeatable")
      ->capture_default_str()
      ->allow_extra_args(false)
      ->check(kPositiveCount);
  ffn.add_option("--kind", spec.kinds, "beside dense, repeatable")
      ->capture_default_str()
      ->allow_extra_args(false)
      ->check(CLI::IsMember(spec.kinds));
  ffn.add_option("--repeats", spec.repeats, "timed ones, after two that are not")
      ->capture_default_str()
      ->check(kPositiveCount);
  ffn.add_flag("--guided", spec.guided, "also steps of self-guided training, and what they add");
  options->add_to(ffn);
  ffn.callback([options] {
    options->apply(options->spec);
    int threads = 0;
    const auto rows = train::bench_ffn(options->spec, &threads);
    if (options->json) {
      print_json(rows, threads);
    } else {
      print_rows(rows, options->spec, threads);
    }
  });
}

}  // namespace lathe
