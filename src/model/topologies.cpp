#include "model/topologies.h"

namespace lathe {

namespace {

constexpr Variant kVariants[] = {
    {"gpt", false, false, false, add_gpt_stages},
    {"pgpt", true, false, false, add_pgpt_stages},
    {"lgpt", false, true, false, add_lgpt_stages},
    {"cgpt", false, true, true, add_cgpt_stages},
};

}  // namespace

const Variant& variant(TopologyKind kind) { return kVariants[static_cast<size_t>(kind)]; }

std::span<const std::string_view> names_of(TopologyKind) {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> list;
    for (const Variant& v : kVariants) list.push_back(v.name);
    return list;
  }();
  return names;
}

}  // namespace lathe
