// Run directories whose every number is known, written as lathe train writes them.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/format.h"

namespace lathe::test {

struct PlantedRun {
  std::string folder;
  int64_t seed = 1;
  int64_t d_model = 64;
  int64_t steps = 40, steps_done = -1;  // -1: all of them
  std::string ffn = "kind = \"dense\"";
  std::string topology = "kind = \"gpt\"";
  double lr = 1e-3;
  std::string top, guided;  // further lines of the file's top and of [self_guided]
  double final_loss = 2;    // of the last validation
  double flops_per_step = 1e9;
};

constexpr int64_t kPlantedContext = 32, kPlantedBatch = 4, kPlantedVocab = 100, kPlantedLayers = 3;

inline std::string run_toml(const PlantedRun& run) {
  return format(
      "out = \"{}\"\nseed = {}\nsteps = {}\nthreads = {}\n{}\n[model]\ninit_from = \"\"\n"
      "vocab_size = {}\ncontext_length = {}\nd_model = {}\nn_layers = {}\nn_heads = 4\n"
      "n_kv_heads = 4\nd_head = {}\nd_ff = {}\ndense_ffn_layers = [0]\n[model.topology]\n{}\n"
      "[model.ffn_linear]\n{}\n[data]\nmicro_batch = 2\nglobal_batch = {}\n[optimizer]\n"
      "kind = \"adamw\"\nlr = {}\n{}",
      run.folder, run.seed, run.steps, run.seed, run.top, kPlantedVocab, kPlantedContext,
      run.d_model, kPlantedLayers, run.d_model / 4, 4 * run.d_model, run.topology, run.ffn,
      kPlantedBatch, run.lr, run.guided.empty() ? "" : "[self_guided]\n" + run.guided);
}

// The training loss of a step: falls, with a ripple.
inline double planted_loss(const PlantedRun& run, int64_t step) {
  const auto t = static_cast<double>(step);
  return run.final_loss + 3 / std::sqrt(t) + 0.01 * std::sin(7 * t);
}

inline std::string metrics_jsonl(const PlantedRun& run) {
  const int64_t done = run.steps_done < 0 ? run.steps : run.steps_done;
  std::string text;
  for (int64_t step = 1; step <= done; ++step) {
    text += format(
        "{{\"step\":{},\"tokens\":{},\"loss\":{:.17g},\"lr\":0.001,\"grad_norm\":1.0,"
        "\"tokens_per_s\":{},\"peak_share\":0.5,\"flops\":{:.17g},\"ms\":12.5}}\n",
        step, step * kPlantedBatch * kPlantedContext, planted_loss(run, step), 1000 + step,
        run.flops_per_step * static_cast<double>(step));
    if (step % 20 == 0 || step == run.steps) {
      const double loss = step == run.steps ? run.final_loss : run.final_loss + 0.5;
      text += format("{{\"step\":{},\"val_loss\":{:.17g},\"val_bits_per_byte\":{:.17g}}}\n", step,
                     loss, loss / 3);
    }
  }
  return text;
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string plant(const PlantedRun& run) {
  std::filesystem::create_directories(run.folder);
  write_text(run.folder + "/run.toml", run_toml(run));
  write_text(run.folder + "/metrics.jsonl", metrics_jsonl(run));
  return run.folder;
}

}  // namespace lathe::test
