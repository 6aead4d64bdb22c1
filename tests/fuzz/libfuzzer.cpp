// For libFuzzer, which brings main(): the seeds made in code become the files of an empty corpus.
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  namespace fs = std::filesystem;
  for (int i = 1; i < *argc; ++i) {
    const fs::path folder = (*argv)[i];
    if (!fs::is_directory(folder)) continue;  // an option, or a file to replay
    if (!fs::is_empty(folder)) break;
    int n = 0;
    for (const std::string& seed : lathe::fuzz::seeds()) {
      std::ofstream(folder / ("seed-" + std::to_string(n++)), std::ios::binary) << seed;
    }
    break;
  }
  return 0;
}
