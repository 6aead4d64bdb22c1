// A tokenizer.json of a byte-level BPE with the given merges, built in code.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/bpe_definition.h"

namespace lathe::test {

// Ids 0 … 255 are the bytes in the order of their values, then come the merges, then
// <|endoftext|>. A space in a merge is spelt Ġ.
inline nlohmann::json tiny_bpe_json(
    const std::vector<std::pair<std::string, std::string>>& merges) {
  nlohmann::json vocab, list = nlohmann::json::array();
  for (int byte = 0; byte < 256; ++byte) {
    vocab[byte_characters()[static_cast<size_t>(byte)]] = byte;
  }
  for (const auto& [left, right] : merges) {
    if (!vocab.contains(left + right)) vocab[left + right] = vocab.size();
    list.push_back(left + " " + right);
  }
  const size_t end = vocab.size();
  return {{"added_tokens", {{{"id", end}, {"content", "<|endoftext|>"}, {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}}}};
}

}  // namespace lathe::test
