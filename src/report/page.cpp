#include "report/page.h"

#include "report/assets.h"

namespace lathe::report {

namespace {

// Sections are filled by page.js; without scripts the page says so.
constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>lathe report</title>
<style>
)";

constexpr std::string_view kBody = R"(</style>
</head>
<body>
<header><h1>lathe report</h1><p id="summary"></p><ul id="notes"></ul></header>
<noscript><p>This page draws its tables and charts with a script of its own.</p></noscript>
<nav id="filters" aria-label="what is shown"></nav>
<main id="sections"></main>
<script type="application/json" id="data">)";

}  // namespace

std::string json_for_script(const Json& data) {
  const std::string text =
      data.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    // Outside strings JSON has none of these, so escaping them everywhere is right.
    if (c == '<' || c == '>' || c == '&') {
      safe += format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string report_page(const Report& report) {
  std::string page(kHead);
  page += kPageCss;
  page += kBody;
  page += json_for_script(page_data(report));
  for (const std::string_view script : {kChartJs, kFrameJs, kPageJs}) {
    page += "</script>\n<script>\n";
    page += script;
  }
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace lathe::report
