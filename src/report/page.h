// The report as one HTML file that needs nothing else: style, script and data are inside.
#pragma once

#include <string>
#include <string_view>

#include "report/report_json.h"

namespace lathe::report {

std::string report_page(const Report& report);

// JSON for inside a <script>: ASCII, and without '<', '>' and '&', so that no text of a run can end
// the element or begin a comment.
std::string json_for_script(const Json& data);

}  // namespace lathe::report
