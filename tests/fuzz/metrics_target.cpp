// metrics.jsonl and run.toml, up to the data of a report's page. Input: the metrics, and after a
// NUL a run file in TOML.
#include <cmath>

#include "base/config_tree.h"
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "report/page.h"

using namespace lathe;
using namespace lathe::report;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const size_t cut = std::min(text.find('\0'), text.size());
  try {
    const MetricsLog log = parse_metrics(text.substr(0, cut), "fuzz");
    i64 before = 0;
    for (const StepLine& s : log.steps) {
      FUZZ_CHECK(s.step > before);
      FUZZ_CHECK(!std::isinf(s.loss) && !std::isinf(s.flops) && !(s.flops < 0));
      before = s.step;
    }
    ++fuzz::n_accepted;
    const Json run_file = parse_toml(text.substr(std::min(cut + 1, text.size())), "fuzz");
    Report report;
    report.runs = {make_run_record("fuzz", run_file, log)};
    report.comparison = compare(report.runs);
    FUZZ_CHECK(report.runs[0].curve.size() <= 320);
    FUZZ_CHECK(report.comparison.groups.size() == 1);
    const std::string json = json_for_script(page_data(report));
    FUZZ_CHECK(json.find('<') == std::string::npos);
    parse_json(json, "fuzz");  // what we write, browsers read
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  std::string metrics;
  for (int step = 1; step <= 30; ++step) {
    const std::string number = std::to_string(step);
    metrics += "{\"step\":" + number + ",\"tokens\":" + number + "00,\"loss\":" +
               (step == 27  ? "9.5"
                : step == 9 ? "null"
                            : "3.25") +
               ",\"lr\":0.001,\"grad_norm\":1.5,\"tokens_per_s\":70,\"peak_share\":0.5,\"flops\":" +
               number + "e9,\"ms\":3" + (step < 4 ? ",\"alpha\":0.5" : "") +
               (step == 9 ? ",\"skipped\":true" : "") + "}\n";
    if (step % 15 == 0) {
      metrics += "{\"step\":" + number + ",\"val_loss\":3.5,\"val_bits_per_byte\":1.25}\n";
    }
  }
  const std::string run_file =
      "out = \"a\"\nseed = 2\nsteps = 24\n[model]\ninit_from = \"\"\nvocab_size = 64\n"
      "context_length = 8\nd_model = 16\nn_layers = 2\nn_heads = 2\nn_kv_heads = 1\nd_head = 8\n"
      "d_ff = 32\n[model.ffn_linear]\nkind = \"low_rank\"\nrank = 4\n[self_guided]\n"
      "mode = \"fixed_flops\"\nshare = 0.25\n[optimizer]\nlr = 1e-3\n";
  return {metrics + std::string(1, '\0') + run_file,
          metrics.substr(0, metrics.size() / 2) + std::string(1, '\0') + run_file};
}
