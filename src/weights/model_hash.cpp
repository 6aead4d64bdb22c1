#include "weights/model_hash.h"

#include <nlohmann/json.hpp>

#include "base/checksum.h"
#include "base/content_hash.h"

namespace lathe {

std::string model_hash(const ModelDirectory& model, const Tokenizer& tokenizer) {
  ModelSpec spec = model.plan.spec;
  spec.tokenizer = "";  // a file's name
  uint64_t hash = content_hash(write_fields(spec).dump());
  for (const TensorView& tensor : model.weights->tensors()) {
    hash = content_hash(tensor.name, hash);
    hash = content_hash(static_cast<uint64_t>(checksum(tensor.bytes)), hash);
  }
  return hash_text(content_hash(tokenizer.fingerprint(), hash));
}

}  // namespace lathe
