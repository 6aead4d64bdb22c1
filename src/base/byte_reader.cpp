#include "base/byte_reader.h"

#include "base/error.h"

namespace lathe {

void ByteReader::end_of_bytes(uint64_t n, std::string_view what) const {
  fail("{} {}: at byte {} {} takes {} bytes, and {} are left; is the file whole?", area_, where_,
       at_, what, n, remaining());
}

}  // namespace lathe
