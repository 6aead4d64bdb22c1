// Checksums of what is written, so that damage shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lathe {

// CRC-32 (zlib's) of bytes that follow on those of which `before` is the CRC-32.
uint32_t checksum(std::span<const std::byte> bytes, uint32_t before = 0);
// That of two pieces one after the other, the second of them `n_second` bytes.
uint32_t joined_checksum(uint32_t first, uint32_t second, size_t n_second);
// CRC-32 of a file. Error where it cannot be read.
uint32_t file_checksum(const std::string& path);

}  // namespace lathe
