// Continues a prompt with a model directory or run, the runtime used as a library.
//
//   example_generate MODEL PROMPT
//
// It prints the same as
//   lathe generate MODEL --prompt PROMPT --max-tokens 40 --temperature 0
#include "infer/generate.h"

#include <cstdio>
#include <filesystem>

#include "base/cpu_limits.h"
#include "base/error.h"
#include "run/run_directory.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: example_generate MODEL PROMPT\n");
    return 2;
  }
  try {
    const std::string directory = lathe::model_directory(argv[1]);
    const auto model = lathe::load_model(directory);
    // The config names a file of the directory, or the tokenizer that needs none.
    const std::string& name = model->plan.spec.tokenizer;
    const auto tokenizer = lathe::load_tokenizer(
        name == "bytes" ? name : (std::filesystem::path(directory) / name).string());
    lathe::check_tokenizer(*model, *tokenizer, name);

    // The model is shared by all sequences; a state belongs to one thread, a cache to one sequence.
    lathe::ThreadPool pool(lathe::available_threads());
    lathe::State state(pool);
    lathe::KvCache cache(*model);
    lathe::GenerateOptions options;
    options.max_tokens = 40;
    options.sampler.temperature = 0;
    lathe::generate(*model, state, cache, tokenizer->encode(argv[2]), *tokenizer, options,
                    [](int32_t, std::string_view text) {
                      std::fwrite(text.data(), 1, text.size(), stdout);
                      return std::fflush(stdout) == 0;
                    });
    std::puts("");
    return 0;
  } catch (const lathe::Error& e) {
    std::fprintf(stderr, "example_generate: %s\n", e.what());
    return 1;
  }
}
