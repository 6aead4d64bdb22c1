// The native runtime's half of the comparison: logits of token ids on a model directory, as raw f32
// on stdout. A program of its own, since LibTorch exports parts of the oneDNN inside it, which
// would take the place of the runtime's oneDNN in a process that loads both.
//   native_logits MODEL_DIR ID…
#include <cstdio>
#include <cstdlib>

#include "infer/forward.h"
#include "infer/model.h"
#include "kernels/thread_pool.h"
#include "weights/model_directory.h"

int main(int argc, char** argv) {
  using namespace lathe;
  using namespace lathe::infer;
  if (argc < 3) return 2;
  try {
    ModelDirectory directory = open_model_directory(argv[1]);
    const auto model = make_model(std::move(directory.plan), *directory.weights);
    std::vector<int32_t> ids;
    for (int i = 2; i < argc; ++i) ids.push_back(std::atoi(argv[i]));
    ThreadPool pool(2);
    State state(pool);
    KvCache cache(*model);
    const auto logits = forward(*model, state, cache, ids, LogitRows::kAll);
    return std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) == logits.size() ? 0
                                                                                             : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
