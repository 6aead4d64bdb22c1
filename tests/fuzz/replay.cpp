// A driver for compilers without libFuzzer: runs a target on its seeds, on every way to cut them
// short (a sample of the cuts for long ones), and on a number of mutations that depend on nothing
// but their number. `fuzz_X FILE…` replays files instead.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include "base/rng.h"
#include "fuzz/fuzz.h"

namespace {

std::string current;  // the input being run, for the signal handler

// Leaves the input that crashed where the tests ran; only calls that are safe in a handler.
void on_crash(int signal_number) {
  const char note[] = "crashed; the input is in fuzz-crash.bin: replay it with FUZZ_TARGET FILE\n";
  if (FILE* out = std::fopen("fuzz-crash.bin", "wb")) {
    std::fwrite(current.data(), 1, current.size(), out);
    std::fclose(out);
  }
  [[maybe_unused]] const auto written = ::write(2, note, sizeof note - 1);
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

void run(std::string input) {
  current = std::move(input);
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "an exception that is no Error: %s\n", e.what());
    std::abort();
  }
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, uint64_t number)
      : seeds_(seeds), random_(number, lathe::RandomUse::kSampling) {}

  std::string make() {
    std::string input = seeds_[below(seeds_.size())];
    for (uint64_t n = 1 + below(1 + below(6)); n > 0; --n) mutate(input);
    return input;
  }

 private:
  uint64_t below(uint64_t n) { return random_.bits(next_++) % n; }

  void mutate(std::string& input) {
    const size_t at = below(input.size() + 1);
    const size_t length = std::min(input.size() - at, 1 + below(1 + below(32)));
    switch (below(10)) {
      case 0:  // flip a bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:  // another byte
        if (at < input.size()) input[at] = static_cast<char>(below(256));
        break;
      case 2:  // cut out
        input.erase(at, length);
        break;
      case 3:  // repeat
        for (uint64_t n = 1 + below(4); n > 0; --n) input.insert(at, input.substr(at, length));
        break;
      case 4: {  // overwrite with an integer of 1, 2, 4 or 8 bytes from the edges of a range
        constexpr std::array<uint64_t, 9> kEdges = {0,
                                                    1,
                                                    0x7f,
                                                    0x80,
                                                    0x7fffffff,
                                                    0x80000000,
                                                    0x7fffffffffffffff,
                                                    0x8000000000000000,
                                                    ~uint64_t{0}};
        const uint64_t value = kEdges[below(kEdges.size())] + below(3) - 1;
        std::array<char, 8> bytes;
        std::memcpy(bytes.data(), &value, 8);
        const size_t width = size_t{1} << below(4);
        for (size_t i = 0; i < width && at + i < input.size(); ++i) input[at + i] = bytes[i];
        break;
      }
      case 5: {  // a piece of another seed
        const std::string& other = seeds_[below(seeds_.size())];
        const size_t from = below(other.size() + 1);
        input.insert(at, other.substr(from, 1 + below(64)));
        break;
      }
      case 6:  // cut short
        input.resize(at);
        break;
      case 7: {  // what parsers trip over
        constexpr std::array<std::string_view, 16> kWords = {
            "-1",      "1e999", "9223372036854775808", "null", "[", "{",   "\"", "\\u0000",
            "\\ud800", "\xff",  "\xf4\x8f\xbf\xbf",    "nan",  "0", "1.5", "\n", "="};
        input.insert(at, kWords[below(kWords.size())]);
        break;
      }
      case 8: {  // another number in place of the one from here on
        size_t end = at;
        while (end < input.size() && input[end] >= '0' && input[end] <= '9') ++end;
        if (end > at) {
          input.replace(at, end - at, std::to_string(random_.bits(next_++) >> below(64)));
        }
        break;
      }
      default:  // swap two pieces
        for (size_t i = 0; i < length; ++i) {
          std::swap(input[at + i], input[below(input.size())]);
        }
        break;
    }
  }

  const std::vector<std::string>& seeds_;
  lathe::Random random_;
  uint64_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  for (const int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) ::signal(s, on_crash);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // A parser that believes a length of 2^40 shall fail, not be saved by overcommitment.
  const rlimit limit = {rlim_t{2} << 30, rlim_t{2} << 30};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
  if (argc > 2 || (argc == 2 && std::strspn(argv[1], "0123456789") != std::strlen(argv[1]))) {
    for (int i = 1; i < argc; ++i) {
      std::ifstream in(argv[i], std::ios::binary);
      run(std::string(std::istreambuf_iterator<char>(in), {}));
    }
    return 0;
  }
  const uint64_t n_mutations = argc == 2 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  const std::vector<std::string> seeds = lathe::fuzz::seeds();
  run("");
  for (const std::string& seed : seeds) {
    const size_t step = 1 + seed.size() / 500;
    for (size_t length = 0; length < seed.size(); length += step) run(seed.substr(0, length));
    const long before = lathe::fuzz::n_accepted;
    run(seed);
    FUZZ_CHECK(lathe::fuzz::n_accepted > before);
  }
  for (uint64_t i = 0; i < n_mutations; ++i) run(Mutator(seeds, i).make());
  std::printf("%zu seeds, %llu mutations, %ld inputs accepted\n", seeds.size(),
              static_cast<unsigned long long>(n_mutations), lathe::fuzz::n_accepted);
  return 0;
}
