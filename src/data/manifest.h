// Whether what lies in a prepared folder is what was written into it.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace lathe {

// The checksums of the stream's shards, which are those of `written` and no others, whole and
// unchanged; else Error, naming the shard. Where `written` lists none (an older version's folder)
// nothing is compared. Reads everything, at some GB/s.
std::vector<uint32_t> check_shards(const TokenStream& stream, const SplitInfo& written,
                                   const std::string& dir);

// Error where the folder was prepared with another tokenizer than `tokenizer`, which is `whose`
// ("the model's"), as far as the folder says.
void check_tokenizer(const DatasetInfo& info, const std::string& dir, const Tokenizer& tokenizer,
                     const std::string& whose);

}  // namespace lathe
