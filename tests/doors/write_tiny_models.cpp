// Random models of every topology, kind of linear and option, as model directories DIR/0, DIR/1, …
// with the byte tokenizer: what is exported in the tests that other programs take part in. Prints
// the name of each, one a line.
//   write_tiny_models DIR
#include <cstdio>
#include <filesystem>

#include "support/tiny_models.h"
#include "text/tokenizer.h"

int main(int argc, char** argv) {
  using namespace lathe;
  if (argc != 2) return 2;
  try {
    int number = 0;
    for (auto& [name, spec] : test::tiny_specs()) {
      spec.vocab_size = 257;  // the tokenizer's
      const std::string dir = std::string(argv[1]) + "/" + std::to_string(number++);
      std::filesystem::create_directories(dir);
      spec.tokenizer = make_byte_tokenizer()->save(dir);
      auto weights = test::random_weights(make_plan(spec), 5);
      test::write_model(spec, weights, dir);
      std::printf("%s\n", name.c_str());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
