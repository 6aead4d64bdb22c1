// Checkpoints of llm.c and llama2.c: a header, then each kind of tensor of all layers in a row.
// Read as if they were GGUF files of gpt2 and llama, whose names and layout of rows they share.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "weights/hf_config.h"
#include "weights/weight_source.h"

namespace lathe {

struct StackedContent {
  ForeignConfig config;
  std::vector<TensorView> tensors;
};

// Parsers of outside bytes. Error naming `where` unless the header is sound and the file holds
// exactly the numbers that it calls for.
//
// llm.c: versions 3 (f32) and 5 (bf16), padded vocabulary, of which the padding is left out.
StackedContent parse_llm_c(std::span<const std::byte> file, const std::string& where);
// llama2.c: the first format, without a magic, and version 1, both f32. Its quantised version 2 is
// refused.
StackedContent parse_llama2_c(std::span<const std::byte> file, const std::string& where);

inline constexpr int32_t kLlmCMagic = 20240326;
inline constexpr int32_t kLlama2CMagic = 0x616b3432;

struct StackedFile {
  ForeignConfig config;
  std::shared_ptr<const WeightSource> weights;
};
// Either, by `parse`, mapped.
StackedFile open_stacked(const std::string& path,
                         StackedContent (*parse)(std::span<const std::byte>, const std::string&));

}  // namespace lathe
