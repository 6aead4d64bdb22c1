// The page's style and scripts, as in the files of the same names beside this one.
#pragma once

#include <string_view>

namespace lathe::report {

extern const std::string_view kPageCss, kChartJs, kFrameJs, kPageJs;

}  // namespace lathe::report
