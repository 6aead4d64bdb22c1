#include "eval/shots.h"

#include <numeric>

#include "base/error.h"
#include "eval/python_random.h"

namespace lathe {

namespace {

constexpr uint32_t kHarnessSeed = 1234;

std::string example(const ChoiceItem& item) {
  const Choice& right = item.choices[item.gold];
  return right.context + right.continuation + "\n\n";
}

bool alike(const ChoiceItem& a, const ChoiceItem& b) {
  return a.gold == b.gold && a.choices == b.choices;
}

// The examples of one item.
std::vector<i64> draw(PythonRandom& random, std::span<const ChoiceItem> pool,
                      const ChoiceItem& asked, i64 n, bool spare) {
  const auto n_pool = static_cast<i64>(pool.size());
  if (!spare) return random.sample(n_pool, n);
  const auto is_asked = [&](i64 at) { return alike(pool[static_cast<size_t>(at)], asked); };
  std::vector<i64> drawn = random.sample(n_pool, n + 1);
  std::erase_if(drawn, is_asked);
  if (static_cast<i64>(drawn.size()) < n) {  // it is there more than once
    std::vector<i64> others(pool.size());
    std::iota(others.begin(), others.end(), i64{0});
    std::erase_if(others, is_asked);
    const auto n_others = static_cast<i64>(others.size());
    if (n > n_others)
      fail("[eval] {} examples are asked for, and {} differ from the item", n, n_others);
    drawn = random.sample(n_others, n);
    for (i64& at : drawn) at = others[static_cast<size_t>(at)];
  }
  drawn.resize(static_cast<size_t>(n));
  return drawn;
}

}  // namespace

void add_shots(std::vector<ChoiceItem>& items, std::span<const ChoiceItem> pool, i64 n,
               bool spare) {
  if (n == 0) return;
  std::vector<ChoiceItem> own;  // as they were
  if (pool.empty()) {
    own = items;
    pool = own;
    spare = true;
  }
  const i64 most = static_cast<i64>(pool.size()) - (spare ? 1 : 0);
  if (n > most) {
    fail("[eval] {} examples are asked for, and there are {}; give fewer --shots", n, most);
  }
  PythonRandom random(kHarnessSeed);
  for (ChoiceItem& item : items) {
    std::string examples;
    for (const i64 at : draw(random, pool, item, n, spare)) {
      examples += example(pool[static_cast<size_t>(at)]);
    }
    for (Choice& choice : item.choices) choice.context = examples + choice.context;
  }
}

void add_first_shots(std::vector<ChoiceItem>& items, std::span<const ChoiceItem> pool, i64 n) {
  if (n > static_cast<i64>(pool.size())) {
    fail("[eval] {} examples are asked for, and there are {}; give fewer --shots", n, pool.size());
  }
  std::string examples;
  for (i64 i = 0; i < n; ++i) examples += example(pool[static_cast<size_t>(i)]);
  for (ChoiceItem& item : items) {
    for (Choice& choice : item.choices) choice.context = examples + choice.context;
  }
}

}  // namespace lathe
