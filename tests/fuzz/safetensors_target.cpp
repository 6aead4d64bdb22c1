// safetensors files: every view must lie inside the file and have the size of its shape.
#include <cstring>

#include "base/error.h"
#include "fuzz/fuzz.h"
#include "weights/safetensors.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const SafetensorsContent content = parse_safetensors(file, "fuzz");
    const std::byte* at = nullptr;
    for (const TensorView& t : content.tensors) {
      FUZZ_CHECK(t.bytes.empty() || (t.bytes.data() >= file.data() &&
                                     t.bytes.data() + t.bytes.size() <= file.data() + size));
      FUZZ_CHECK(t.bytes.data() >= at);
      at = t.bytes.data() + t.bytes.size();
      i64 n = 1;
      for (const i64 d : t.shape) {
        FUZZ_CHECK(d >= 0);
        n *= d;
      }
      FUZZ_CHECK(n == t.numel());
      describe_tensor(t.dtype, t.shape);
    }
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

namespace {

std::string file_of(const std::string& header, size_t n_bytes) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(n_bytes, '\x3f');
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {
      file_of(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", 24),
      file_of(R"({"__metadata__":{"format":"pt","x":"y"},)"
              R"("a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]},)"
              R"("b":{"dtype":"U8","shape":[],"data_offsets":[8,9]},)"
              R"("c":{"dtype":"I64","shape":[0,5],"data_offsets":[9,9]},)"
              R"("d":{"dtype":"F16","shape":[1,1,3],"data_offsets":[9,15]}}   )",
              15),
      file_of("{}", 0),
  };
}
