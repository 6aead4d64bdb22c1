// Few-shot contexts: answered examples in front of every question, as the harness builds them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/choice_item.h"

namespace lathe {

// Puts `n` examples, each ended by an empty line, in front of every context. They are drawn anew
// for each item, in the items' order, from `pool` by the harness's own generator and seed (1234),
// so that they are its examples: where the task has no test split it draws one more than it shows
// (`spare`), since the item that is asked might be among them. Without a pool they are drawn from
// the items themselves, but for the one that is asked. Error where there are not enough.
void add_shots(std::vector<ChoiceItem>& items, std::span<const ChoiceItem> pool, i64 n, bool spare);
// The same with the pool's first n for every item: the harness's sampler `first_n`.
void add_first_shots(std::vector<ChoiceItem>& items, std::span<const ChoiceItem> pool, i64 n);

}  // namespace lathe
