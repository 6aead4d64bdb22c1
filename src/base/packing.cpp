#include "base/packing.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr std::string_view kGzip = "\x1f\x8b", kZstd = "\x28\xb5\x2f\xfd";

}  // namespace

bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() >= ending.size() &&
         std::equal(ending.begin(), ending.end(),
                    name.end() - static_cast<std::ptrdiff_t>(ending.size()),
                    [](char wanted, char c) {
                      return wanted == (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
                    });
}

Packing packing_of(std::string_view head) {
  if (head.starts_with(kGzip)) return Packing::kGzip;
  if (head.starts_with(kZstd)) return Packing::kZstd;
  return Packing::kNone;
}

bool may_become_packed(std::string_view head) {
  return packing_of(head) == Packing::kNone && (kGzip.starts_with(head) || kZstd.starts_with(head));
}

Packing packing_named(std::string_view name) {
  if (has_ending(name, ".gz")) return Packing::kGzip;
  if (has_ending(name, ".zst")) return Packing::kZstd;
  return Packing::kNone;
}

std::string_view without_packing(std::string_view name) {
  if (packing_named(name) == Packing::kNone) return name;
  return name.substr(0, name.rfind('.'));
}

}  // namespace lathe
