// A number that stands for a document's text: equal texts have equal numbers everywhere and in
// every version, others as good as never.
#pragma once

#include <cstdint>
#include <string_view>

namespace lathe {

uint64_t document_hash(std::string_view text, uint64_t seed = 0);

// Whether a document belongs to validation: equal texts fall on one side, whatever file and place
// they come from, and `val_fraction` of all texts do.
bool is_validation_document(uint64_t hash, double val_fraction);

}  // namespace lathe
