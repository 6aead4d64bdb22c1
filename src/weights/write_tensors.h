// Writes a model's tensors one by one, whatever the container: the one loop that saves memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "weights/number_formats.h"
#include "weights/safetensors.h"

namespace lathe {

// Hears of each tensor: (done, all).
using OnTensor = std::function<void(size_t, size_t)>;

// `read(name)` gives a tensor's values, row-major; they are stored as the writer's order() says,
// one tensor in memory at a time. Commits the file.
template <class Writer, class Read>
void write_tensors(Writer& writer, const Read& read, const OnTensor& on_tensor) {
  std::vector<std::byte> bytes;
  size_t done = 0;
  for (const TensorHead& head : writer.order()) {
    const std::vector<float> values = read(head.name);
    bytes.resize(static_cast<size_t>(head.bytes()));
    from_f32(head.dtype, values.data(), static_cast<i64>(values.size()), bytes.data());
    writer.write(bytes);
    on_tensor(++done, writer.order().size());
  }
  writer.commit();
}

}  // namespace lathe
