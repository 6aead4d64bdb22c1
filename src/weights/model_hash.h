// A number for what a model computes: equal ones have equal spec, weights and tokenizer.
#pragma once

#include <string>

#include "weights/model_directory.h"

namespace lathe {

// 16 hexadecimal digits. Reads all weights once. `tokenizer`: the one that is used with it.
std::string model_hash(const ModelDirectory& model, const Tokenizer& tokenizer);

}  // namespace lathe
