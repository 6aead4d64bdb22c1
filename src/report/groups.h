// Runs that differ in nothing but their seed, what they have in common, and how groups compare.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/run_record.h"
#include "report/scaling.h"

namespace lathe::report {

// Mean over seeds and its standard error: s / √n, NaN for a single one (n = 1), both NaN for none.
struct MeanError {
  double mean = 0, error = 0;
  i64 n = 0;
};
MeanError mean_and_error(std::span<const double> values);  // those not finite are left out

struct Group {
  std::vector<size_t> runs;      // indices, in the order given
  std::vector<size_t> finished;  // those of them that count
  std::string name, variant_name, size_name;
  size_t variant = 0, size = 0;  // indices into Comparison::variants and ::sizes
  i64 params = 0, ffn_params = 0;
  double ffn_share = 0;      // of the dense twin's feed-forward matrices
  double forward_flops = 0;  // a token
  // Over the finished runs.
  MeanError loss, bits_per_byte;
  double flops = 0, tokens = 0, tokens_per_s = 0;  // means
  // The group with the same shape and training, but dense: index, and loss minus its loss.
  std::optional<size_t> dense;
  MeanError gap;
};

// Groups of one variant, over sizes, and the laws that their final losses follow.
struct Variant {
  std::string name;
  std::vector<size_t> groups;  // by size
  ScalingFit by_flops, by_params;
};

struct Comparison {
  std::vector<Group> groups;  // by variant, then by size
  std::vector<Variant> variants;
  std::vector<std::string> sizes;  // names, ascending by parameters
};

constexpr i64 kResamples = 1000;

// Any number of runs, at least one.
Comparison compare(const std::vector<RunRecord>& runs);

}  // namespace lathe::report
