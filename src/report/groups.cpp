#include "report/groups.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <set>

#include "model/counts.h"
#include "report/names.h"
#include "report/run_keys.h"

namespace lathe::report {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Runs = std::vector<RunRecord>;

std::vector<Group> group_runs(const Runs& runs) {
  std::vector<Group> groups;
  std::map<RunKeys, size_t> place;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto [at, is_new] = place.try_emplace(result_keys(runs[i]), groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].runs.push_back(i);
    if (runs[i].finished()) groups[at->second].finished.push_back(i);
  }
  return groups;
}

// Keys that follow the size, yet differ between groups that are alike in size and variant: there
// somebody is comparing them.
std::set<std::string> compared_keys(const Runs& runs, const std::vector<Group>& groups) {
  std::map<std::pair<RunKeys, RunKeys>, RunKeys> first;
  std::set<std::string> compared;
  for (const Group& group : groups) {
    const RunRecord& run = runs[group.runs.front()];
    const RunKeys own = following_keys(run);
    const auto [at, is_new] = first.try_emplace({size_keys(run), variant_keys(run)}, own);
    for (const auto& [key, value] : own) {
      const auto other = at->second.find(key);
      if (other == at->second.end() || other->second != value) compared.insert(key);
    }
    for (const auto& [key, value] : at->second) {
      if (!own.contains(key)) compared.insert(key);
    }
  }
  return compared;
}

// Numbers the distinct values of `keys` in order of appearance.
std::vector<size_t> number_distinct(const std::vector<RunKeys>& keys,
                                    std::vector<RunKeys>& distinct) {
  std::vector<size_t> numbers;
  std::map<RunKeys, size_t> place;
  for (const RunKeys& k : keys) {
    const auto [at, is_new] = place.try_emplace(k, distinct.size());
    if (is_new) distinct.push_back(k);
    numbers.push_back(at->second);
  }
  return numbers;
}

// "runs/a, runs/b" for groups that no key tells apart in words.
std::string folder_names(const Runs& runs, const Group& group) {
  std::string text;
  for (const size_t i : group.runs) {
    const auto path = std::filesystem::path(runs[i].path).lexically_normal();
    const auto name = path.filename().empty() ? path.parent_path().filename() : path.filename();
    text += (text.empty() ? "" : ", ") + name.string();
  }
  return text;
}

// Cuts at a code point's start, so that UTF-8 stays whole.
std::string shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

void name_variants(const Runs& runs, Comparison& c) {
  const std::set<std::string> compared = compared_keys(runs, c.groups);
  std::vector<RunKeys> keys, distinct;
  for (const Group& group : c.groups) {
    const RunRecord& run = runs[group.runs.front()];
    RunKeys own = variant_keys(run);
    for (const auto& [key, value] : following_keys(run)) {
      if (compared.contains(key)) own[key] = value;
    }
    keys.push_back(std::move(own));
  }
  const std::vector<size_t> numbers = number_distinct(keys, distinct);
  const std::vector<std::string> names = variant_names(distinct);
  constexpr size_t kLongest = 120;
  for (const std::string& name : names)
    c.variants.push_back({shortened(name, kLongest), {}, {}, {}});
  std::set<std::string> seen;
  for (size_t g = 0; g < c.groups.size(); ++g) {
    c.groups[g].variant = numbers[g];
    Variant& variant = c.variants[numbers[g]];
    if (variant.groups.empty() && (variant.name.empty() || !seen.insert(variant.name).second)) {
      variant.name = shortened(folder_names(runs, c.groups[g]), kLongest);
    }
    variant.groups.push_back(g);
    c.groups[g].variant_name = variant.name;
  }
}

void name_sizes(const Runs& runs, Comparison& c) {
  std::vector<RunKeys> keys, distinct;
  for (const Group& group : c.groups) keys.push_back(size_keys(runs[group.runs.front()]));
  const std::vector<size_t> numbers = number_distinct(keys, distinct);
  const std::vector<std::string> names = size_names(distinct);
  // A size's place is by the dense twin's parameters and the training, which variants share.
  std::vector<std::pair<double, size_t>> order(distinct.size());
  for (size_t g = 0; g < c.groups.size(); ++g) {
    const RunRecord& run = runs[c.groups[g].runs.front()];
    const Plan twin = make_plan(dense_twin(run.model));
    const double work =
        static_cast<double>(count_params(twin).total) * static_cast<double>(run.planned_steps);
    order[numbers[g]] = {work, numbers[g]};
  }
  std::sort(order.begin(), order.end());
  std::vector<size_t> rank(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    rank[order[i].second] = i;
    c.sizes.push_back(names[order[i].second]);
  }
  for (size_t g = 0; g < c.groups.size(); ++g) {
    Group& group = c.groups[g];
    group.size = rank[numbers[g]];
    group.size_name = c.sizes[group.size];
    group.name = group.variant_name;
    if (!group.size_name.empty()) group.name += ", " + group.size_name;
  }
}

void count_model(const Runs& runs, Group& group) {
  const ModelSpec& spec = runs[group.runs.front()].model;
  const Plan plan = make_plan(spec);
  const ParamCount count = count_params(plan);
  group.params = count.total;
  group.ffn_params = count.ffn;
  group.ffn_share = static_cast<double>(count.ffn) /
                    static_cast<double>(count_params(make_plan(dense_twin(spec))).ffn);
  group.forward_flops = forward_flops_per_token(plan, spec.context_length);
}

void average_runs(const Runs& runs, Group& group) {
  std::vector<double> loss, bits, flops, tokens, speed;
  for (const size_t i : group.finished) {
    loss.push_back(runs[i].final_loss);
    bits.push_back(runs[i].final_bits_per_byte);
    flops.push_back(runs[i].flops);
    tokens.push_back(runs[i].tokens);
    speed.push_back(runs[i].tokens_per_s);
  }
  group.loss = mean_and_error(loss);
  group.bits_per_byte = mean_and_error(bits);
  group.flops = mean_and_error(flops).mean;
  group.tokens = mean_and_error(tokens).mean;
  group.tokens_per_s = mean_and_error(speed).mean;
}

// Whether both trained as long: by what their run files ask for, or because tokens or FLOPs came to
// the same (up to the last step's).
enum class SameLength { kAsked, kInFact, kNo };

SameLength same_length(const Runs& runs, const Group& a, const Group& b) {
  if (length_keys(runs[a.runs.front()]) == length_keys(runs[b.runs.front()])) {
    return SameLength::kAsked;
  }
  const auto near = [](double x, double y) {
    return x > 0 && std::abs(x - y) <= 0.005 * std::max(x, y);
  };
  return near(a.tokens, b.tokens) || near(a.flops, b.flops) ? SameLength::kInFact : SameLength::kNo;
}

// The dense group to compare with: of the same topology if there is one, else plain gpt; among
// several, the one that differs in the fewest keys, then the better one.
std::optional<size_t> find_dense(const Runs& runs, const std::vector<Group>& groups, size_t own) {
  const RunRecord& run = runs[groups[own].runs.front()];
  const RunKeys wanted = twin_keys(run), all = result_keys(run);
  const TopologyKind topology = run.model.topology.kind;
  std::optional<size_t> best;
  std::tuple<bool, SameLength, size_t, double> best_rank;
  for (size_t g = 0; g < groups.size(); ++g) {
    const RunRecord& other = runs[groups[g].runs.front()];
    const TopologyKind its = other.model.topology.kind;
    if (g == own || groups[g].loss.n == 0 || !is_dense(other)) continue;
    if (its != topology && its != TopologyKind::kGpt) continue;
    if (is_dense(run) && its == topology) continue;  // each other's, which says nothing
    const SameLength length = same_length(runs, groups[own], groups[g]);
    if (length == SameLength::kNo || twin_keys(other) != wanted) continue;
    size_t differing = 0;
    for (const auto& [key, value] : result_keys(other)) {
      const auto at = all.find(key);
      differing += at == all.end() || at->second != value;
    }
    const auto rank = std::make_tuple(its != topology, length, differing, groups[g].loss.mean);
    if (!best || rank < best_rank) {
      best = g;
      best_rank = rank;
    }
  }
  return best;
}

void compare_with_dense(const Runs& runs, std::vector<Group>& groups) {
  for (size_t g = 0; g < groups.size(); ++g) {
    Group& group = groups[g];
    group.gap = {kNan, kNan, 0};
    group.dense = find_dense(runs, groups, g);
    if (!group.dense || group.loss.n == 0) continue;
    const MeanError& dense = groups[*group.dense].loss;
    group.gap = {group.loss.mean - dense.mean, std::hypot(group.loss.error, dense.error),
                 std::min(group.loss.n, dense.n)};
  }
}

void fit_variants(const Runs& runs, Comparison& c) {
  for (Variant& variant : c.variants) {
    std::vector<ScalingPoint> by_flops, by_params;
    for (const size_t g : variant.groups) {
      for (const size_t i : c.groups[g].finished) {
        const RunRecord& run = runs[i];
        if (!(run.final_loss > 0 && std::isfinite(run.final_loss))) continue;
        if (run.flops > 0) by_flops.push_back({run.flops, run.final_loss});
        by_params.push_back({static_cast<double>(c.groups[g].params), run.final_loss});
      }
    }
    variant.by_flops = fit_scaling(by_flops, kResamples);
    variant.by_params = fit_scaling(by_params, kResamples);
  }
}

// The dense variants first, since the others are read against them, then in order of appearance;
// each by size. Indices into the groups follow.
void sort_groups(const Runs& runs, Comparison& c) {
  std::vector<size_t> order(c.variants.size()), place(c.variants.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_partition(order.begin(), order.end(), [&](size_t v) {
    const RunRecord& run = runs[c.groups[c.variants[v].groups.front()].runs.front()];
    return is_dense(run) && run.model.topology.kind == TopologyKind::kGpt;
  });
  std::vector<Variant> variants;
  for (size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    variants.push_back(std::move(c.variants[order[i]]));
  }
  c.variants = std::move(variants);
  for (Group& group : c.groups) group.variant = place[group.variant];
  std::stable_sort(c.groups.begin(), c.groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.variant, a.size) < std::tie(b.variant, b.size);
  });
  for (Variant& variant : c.variants) variant.groups.clear();
  for (size_t g = 0; g < c.groups.size(); ++g) {
    c.variants[c.groups[g].variant].groups.push_back(g);
  }
}

}  // namespace

MeanError mean_and_error(std::span<const double> values) {
  double sum = 0, squares = 0;
  i64 n = 0;
  for (const double x : values) {
    if (std::isfinite(x)) {
      sum += x;
      ++n;
    }
  }
  if (n == 0) return {kNan, kNan, 0};
  const double mean = sum / static_cast<double>(n);
  if (n == 1) return {mean, kNan, 1};
  for (const double x : values) {
    if (std::isfinite(x)) squares += (x - mean) * (x - mean);
  }
  return {mean, std::sqrt(squares / static_cast<double>(n - 1) / static_cast<double>(n)), n};
}

Comparison compare(const std::vector<RunRecord>& runs) {
  Comparison c;
  c.groups = group_runs(runs);
  name_variants(runs, c);
  name_sizes(runs, c);
  sort_groups(runs, c);
  for (Group& group : c.groups) {
    count_model(runs, group);
    average_runs(runs, group);
  }
  compare_with_dense(runs, c.groups);
  fit_variants(runs, c);
  return c;
}

}  // namespace lathe::report
