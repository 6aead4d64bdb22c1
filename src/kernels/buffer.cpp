#include "kernels/buffer.h"

#include <sys/mman.h>

#include "base/error.h"

namespace lathe {

Buffer::Buffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    fail_errno(format("[memory] cannot get {} bytes", bytes));
  }
  // Fewer TLB misses when weights are streamed; a system that has none to give may refuse.
  constexpr size_t kHugePage = size_t{2} << 20;
  if (bytes >= 2 * kHugePage) ::madvise(data_, bytes, MADV_HUGEPAGE);
}

Buffer::~Buffer() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace lathe
