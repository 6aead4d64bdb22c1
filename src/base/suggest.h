// What a wrong name may have been meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

// The name among `candidates` nearest to `name` by edit distance, or "" when none is near.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

// "; did you mean 'NEAR'?", to be put behind what is wrong; "" where `near` is.
std::string did_you_mean(const std::string& near);
// The same with the nearest of `candidates`.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lathe
