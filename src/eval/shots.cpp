#include "eval/shots.h"

#include "base/error.h"
#include "eval/python_random.h"

namespace lathe {

namespace {

constexpr uint32_t kHarnessSeed = 1234;

std::string example(const ChoiceItem& item) {
  const Choice& right = item.choices[item.gold];
  return right.context + right.continuation + "\n\n";
}

}  // namespace

void add_shots(std::vector<ChoiceItem>& items, std::span<const ChoiceItem> pool, i64 n) {
  if (n == 0) return;
  std::vector<ChoiceItem> own;  // as they were
  const bool from_own = pool.empty();
  if (from_own) {
    own = items;
    pool = own;
  }
  const i64 drawn = n + (from_own ? 1 : 0);
  const auto n_pool = static_cast<i64>(pool.size());
  if (drawn > n_pool) {
    fail("[eval] {} examples are asked for, and there are {}; give fewer --shots", n,
         n_pool - (drawn - n));
  }
  PythonRandom random(kHarnessSeed);
  for (size_t i = 0; i < items.size(); ++i) {
    std::string examples;
    i64 taken = 0;
    for (const i64 at : random.sample(n_pool, drawn)) {
      if (taken == n || (from_own && at == static_cast<i64>(i))) continue;
      examples += example(pool[static_cast<size_t>(at)]);
      ++taken;
    }
    for (Choice& choice : items[i].choices) choice.context = examples + choice.context;
  }
}

}  // namespace lathe
