// Checks shared by the readers of BPE files: ids in range and used once, merges whose parts exist.
// Private to src/text/bpe_*.cpp.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/integer.h"
#include "text/bpe_definition.h"

namespace lathe {

class BpeVocabulary {
 public:
  // `where` names the file in errors; the definition outlives this.
  BpeVocabulary(BpeDefinition& definition, const std::string& where)
      : definition_(definition), where_(where) {}
  // The file that later errors name.
  void set_where(const std::string& where) { where_ = where; }

  void add_token(const std::string& token, i64 id);
  void add_added(const std::string& content, i64 id, bool special, bool normalized);
  void add_merge(const std::string& left, const std::string& right);
  // "left right", as in merges.txt and the older tokenizer.json.
  void add_merge_line(std::string_view line);
  // -1: not in the vocabulary.
  int32_t find(const std::string& token) const;

 private:
  int32_t require(const std::string& token, const std::string& left,
                  const std::string& right) const;

  BpeDefinition& definition_;
  std::string where_;
  std::unordered_map<std::string, int32_t> ids_;
};

}  // namespace lathe
