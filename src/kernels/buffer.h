// Memory for weights, caches and scratch: page-aligned, zero until written, and taken from the
// system only where it is touched.
#pragma once

#include <cstddef>
#include <utility>

namespace lathe {

class Buffer {
 public:
  Buffer() = default;
  // Error when the system refuses. Large buffers ask for huge pages.
  explicit Buffer(size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  // At least `n` elements of T; the former content is lost when it grows.
  template <class T>
  T* grow(size_t n) {
    if (n * sizeof(T) > size_) {
      *this = Buffer();
      *this = Buffer(n * sizeof(T));
    }
    return as<T>();
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lathe
