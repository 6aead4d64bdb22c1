// Fields of the JSON files in a prepared folder. Each function throws Error beginning with `where`
// when one is missing, unknown or out of range.
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"
#include "data/shards.h"

namespace lathe {

void check_keys(const Json& object, const std::vector<std::string>& known,
                const std::string& where);
// A whole number of at least 0.
i64 read_count(const Json& parent, const char* key, const std::string& where);
// A CRC-32.
uint32_t read_checksum(const Json& parent, const char* key, const std::string& where);
// [{"file", "tokens", "checksum"}, …], some with {"mask": {"file", "counted", "checksum"}}
std::vector<ShardInfo> read_shard_list(const Json& list, const std::string& where);
Json shards_json(const std::vector<ShardInfo>& shards);

}  // namespace lathe
