#!/usr/bin/env bash
# ./quickstart refuses wrong input before it builds anything, and chooses the number of steps by the
# speed that it measures. Builds and trains nothing.
#
#   quickstart_test.sh SOURCE_DIR LATHE
set -euo pipefail

usage='usage: quickstart_test.sh SOURCE_DIR LATHE'
quickstart=${1:?$usage}/quickstart
program=${2:?$usage}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
fail() { echo "$*"; failures=$((failures + 1)); }

# A copy: where it went on to set up or build, there would be nothing to do it with.
cp "$quickstart" "$folder/quickstart"
refused() {  # refused STATUS TEXT ARGUMENT…
  local status=0 wanted=$1 text=$2 output
  shift 2
  output=$("$folder/quickstart" "$@" 2>&1) || status=$?
  [[ $status == "$wanted" && $output == *"$text"* && $output != *$'\n'* ]] ||
    fail "quickstart $*: status $status, expected $wanted and one line with '$text': $output"
}
refused 2 "unknown option '--minuts'" --minuts 3
refused 2 "--minutes is ''" --minutes
for wrong in 0 0.0 -3 ten 1e3 ''; do refused 2 "--minutes is '$wrong'" --minutes="$wrong"; done
refused 1 "$folder/no.txt: no such file" "$folder/no.txt"
for wrong in 0 -3 ten 1.5; do
  QUICKSTART_STEPS=$wrong refused 2 "QUICKSTART_STEPS is '$wrong'"
done

# Every option that it gives to a command of lathe is one of that command's, as far as this build has
# the command.
while IFS=$'\t' read -r command option; do
  read -r -a words <<<"$command"
  help=$("$program" "${words[@]}" --help 2>/dev/null) || continue
  grep -q -- "$option\b" <<<"$help" || fail "quickstart: 'lathe $command' has no $option"
done < <(sed -e ':join;/\\$/{N;s/\\\n//;b join}' "$quickstart" |
  grep -o '"\$lathe" [a-z]* .*' | sed 's/"\$lathe" //' |
  awk '{
    command = $2 ~ /^[a-z]+$/ ? $1 " " $2 : $1
    for (i = 2; i <= NF; ++i) if ($i ~ /^--[a-z-]+$/) print command "\t" $i
  }' | sort -u)

# size_runs() as it stands there, with a lathe that says how fast it is.
eval "$(sed -n '/^number()/p;/^tokens_a_step=/p;/^cpu_class()/,/^}/p;/^size_runs()/,/^}/p' "$quickstart")"
lathe=bench config='' out=$folder
bench() {
  if [[ $* == *kind=dense* ]]; then echo "{\"tokens_per_s\": $of_dense}"; else echo "{\"tokens_per_s\": $of_structured}"; fi
}
mkdir "$folder/data"
printf '{"train": {\n"tokens": 1024000, "bytes": 3},\n"val": {"tokens": 5}}' >"$folder/data/dataset.json"
sized() {  # sized MINUTES STRUCTURED DENSE STEPS REASON
  minutes=$1 of_structured=$2 of_dense=$3
  size_runs
  [[ $steps == "$4" && $why == $5 ]] ||
    fail "$1 min at $2 and $3 tokens/s: $steps steps ($why), expected $4 ($5)"
}
# A step of all three: 2048 tokens at each speed, and half of both again. 8 min / 0.4 s = 1200, less
# four evaluations that cost 32/3 steps each.
sized 8 15360 15360 1140 'about 8 min *(structured)*2.3 times through the text'
sized 4 15360 15360 540 'about 4 min *'
# Under 400 steps, two evaluations.
sized 2 15360 15360 260 'about 2 min *'
sized 8 307.2 307.2 200 'the fewest *about 74 min *where 8 min were asked for*'

((failures == 0))
