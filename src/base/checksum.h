// Checksums of what is written, so that damage shows.
#pragma once

#include <cstdint>
#include <string>

namespace lathe {

// CRC-32 (zlib's) of a file. Error where it cannot be read.
uint32_t file_checksum(const std::string& path);

}  // namespace lathe
