#include "base/checksum.h"

#include <zlib.h>

#include "base/mapped_file.h"

namespace lathe {

uint32_t checksum(std::span<const std::byte> bytes, uint32_t before) {
  return static_cast<uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

uint32_t joined_checksum(uint32_t first, uint32_t second, size_t n_second) {
  return static_cast<uint32_t>(crc32_combine(first, second, static_cast<z_off_t>(n_second)));
}

uint32_t file_checksum(const std::string& path) { return checksum(MappedFile(path).bytes()); }

}  // namespace lathe
