#include "base/checksum.h"

#include <zlib.h>

#include "base/mapped_file.h"

namespace lathe {

uint32_t file_checksum(const std::string& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace lathe
