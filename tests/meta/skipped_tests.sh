#!/usr/bin/env bash
# What a run of the tests left out: a line for every reason, from the lines "SKIP: REASON" that tests
# print. The page's test in a browser comes last.
#
#   skipped_tests.sh LOG             LOG: build/PRESET/Testing/Temporary/LastTest.log
#   skipped_tests.sh --self-test
set -euo pipefail

skipped() {
  # ctest heads every test's output with "3/81 Testing: NAME".
  awk '
    match($0, /^[0-9]+\/[0-9]+ Testing: /) { test = substr($0, RLENGTH + 1) }
    match($0, /SKIP: /) {
      reason = substr($0, RSTART + RLENGTH)
      if (!(reason in tests)) order[++n] = reason
      if (!((reason, test) in seen)) tests[reason] = tests[reason] (tests[reason] ? ", " : "") test
      seen[reason, test] = 1
    }
    END {
      for (last = 0; last <= 1; ++last)
        for (i = 1; i <= n; ++i)
          if ((tests[order[i]] ~ /page_in_browser/) == last)
            print "not tested: " order[i] " (" tests[order[i]] ")"
    }' "$1"
}

self_test() {
  cat >"$1/log" <<'LOG'
1/4 Testing: report_tests.page_in_browser
Output:
SKIP: no Chromium is installed
2/4 Testing: kernel_tests.norm_test
SKIP: this CPU has no avx512_bf16
SKIP: this CPU has no avx512_bf16
3/4 Testing: kernel_tests.loss_test
SKIP: this CPU has no avx512_bf16
Test Passed.
4/4 Testing: core_tests.counts_test
/src/counts_test.cpp:98: MESSAGE: SKIP: no counts.csv
LOG
  diff <(skipped "$1/log") - <<'END'
not tested: this CPU has no avx512_bf16 (kernel_tests.norm_test, kernel_tests.loss_test)
not tested: no counts.csv (core_tests.counts_test)
not tested: no Chromium is installed (report_tests.page_in_browser)
END
}

if [[ ${1-} == --self-test ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  self_test "$folder"
else
  skipped "${1:?usage: skipped_tests.sh LOG | --self-test}"
fi
