// Continues a prompt with a model directory or run, the runtime used as a library.
//
//   example_generate MODEL PROMPT
//
// It prints the same as
//   lathe generate MODEL --prompt PROMPT --max-tokens 40 --temperature 0
#include "infer/generate.h"

#include <cstdio>

#include "base/cpu_limits.h"
#include "base/error.h"
#include "infer/engine.h"
#include "run/run_directory.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: example_generate MODEL PROMPT\n");
    return 2;
  }
  try {
    // The model is shared by all sequences; a state belongs to one thread, a sequence is one text.
    namespace infer = lathe::infer;
    infer::Engine engine(lathe::model_directory(argv[1]), "", lathe::available_threads());
    infer::SamplerOptions sampler;
    sampler.temperature = 0;
    infer::Sequence sequence(*engine.model, sampler, engine.tokenizer->vocab_size());
    sequence.tokens = engine.tokenizer->encode(argv[2]);
    infer::GenerateOptions options;
    options.max_tokens = 40;
    infer::generate(*engine.model, engine.state, sequence, *engine.tokenizer, options,
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
