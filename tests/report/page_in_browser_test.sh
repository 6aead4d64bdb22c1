#!/usr/bin/env bash
# Opens reports in a headless Chromium: no error on the console, and every chart and row drawn.
#
#   page_in_browser_test.sh LATHE      exit 77, and the reason, where there is no Chromium
#   page_in_browser_test.sh --browser  the browser it would use; exit 77 where there is none
#
# LATHE_CHROMIUM names the browser; by default the first of chromium, chromium-browser,
# google-chrome that is installed. With LATHE_NEED_BROWSER=1 its absence is a failure.
set -euo pipefail

lathe=${1:?usage: page_in_browser_test.sh LATHE | --browser}
browser=${LATHE_CHROMIUM-}
for name in chromium chromium-browser google-chrome; do
  [[ -n $browser ]] || browser=$(command -v "$name" || true)
done
if [[ -z $browser ]]; then
  echo "SKIP: no Chromium is installed (chromium, chromium-browser, google-chrome, LATHE_CHROMIUM)"
  if [[ ${LATHE_NEED_BROWSER-} == 1 ]]; then exit 1; fi
  exit 77
fi
if [[ $lathe == --browser ]]; then
  echo "$browser"
  exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# run NAME D_MODEL SEED STEPS_DONE FFN_LINEAR SELF_GUIDED: a run directory of 60 steps.
run() {
  mkdir -p "$folder/runs/$1"
  cat >"$folder/runs/$1/run.toml" <<RUN
out = 'runs/$1'
seed = $3
steps = 60
[model]
vocab_size = 64
context_length = 16
d_model = $2
n_layers = 2
n_heads = 2
n_kv_heads = 2
d_head = $(($2 / 2))
d_ff = $((4 * $2))
ffn_linear = $5
[self_guided]
mode = "$6"
share = 0.5
RUN
  awk -v d="$2" -v seed="$3" -v done="$4" -v guided="$6" 'BEGIN {
    for (s = 1; s <= done; ++s) {
      loss = 1 + 4 / sqrt(s) + 20 / d + 0.003 * sin(s * seed) + (s == 45 ? 2 : 0)
      printf "{\"step\":%d,\"tokens\":%d,\"loss\":%.6f,\"lr\":0.001,\"grad_norm\":1,", s, 128 * s, loss
      printf "\"tokens_per_s\":%d,\"peak_share\":0.5,\"flops\":%.6g,\"ms\":2", 90000 / d, 1e6 * d * s
      printf "%s}\n", guided != "off" && s <= 30 ? ",\"alpha\":" (30 - s) / 30 : ""
      if (s % 20 == 0)
        printf "{\"step\":%d,\"val_loss\":%.6f,\"val_bits_per_byte\":%.6f}\n", s, loss, loss / 2
    }
  }' >"$folder/runs/$1/metrics.jsonl"
}

# What the browser makes of PAGE is in dom, what it says in console.
open_page() {
  "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" \
    --window-size="$2",900 --enable-logging=stderr --virtual-time-budget=5000 --dump-dom \
    "file://$1" >"$folder/dom" 2>"$folder/log"
  grep -E 'CONSOLE|Uncaught' "$folder/log" >"$folder/console" || true
}

failures=0
expect() {  # expect WHAT FOUND WANTED
  if [[ $2 != "$3" ]]; then
    echo "$what: $1: found $2, expected $3"
    failures=$((failures + 1))
  fi
}
# What a reader sees: the page without its scripts, a tag a line.
shown() { sed -E 's/<script/\n&/g; s/<\/script>/&\n/g' "$folder/dom" | sed '/^<script/,/<\/script>/d' | sed 's/</\n</g'; }
# Rows of the table with this id.
rows_of() { shown | sed -n "/^<table id=\"$1\"/,/^<\/table>/p" | grep -c '^<tr data-key' || true; }
check_page() {  # check_page WHAT WIDTH CHARTS GROUPS RUNS FITS RUN…
  what="$1, $2 pixels"
  local width=$2 charts=$3 groups=$4 runs=$5 fits=$6
  shift 6
  "$lathe" report "$@" --out "$folder/page.html" 2>"$folder/log" || { cat "$folder/log"; exit 1; }
  open_page "$folder/page.html" "$width"
  expect "messages on the console" "$(cat "$folder/console")" ""
  expect charts "$(grep -o '<svg class="chart"' "$folder/dom" | wc -l)" "$charts"
  expect "charts with a line or point" \
    "$(grep -oE '<svg class="chart"|class="(line|dot)"' "$folder/dom" | uniq | grep -c svg)" "$charts"
  expect "what is no number or text" "$(shown | grep -E 'NaN|undefined|Infinity|\[object|>null' | head -3)" ""
  expect "rows of groups" "$(rows_of groups)" "$groups"
  expect "rows of runs" "$(rows_of runs)" "$runs"
  expect "rows of fits" "$(rows_of fits)" "$fits"
}

low='{ kind = "low_rank", rank = 8 }'
dense='{ kind = "dense" }'
for d in 32 64 128; do
  for seed in 1 2; do
    run "dense-$d-$seed" $d $seed 60 "$dense" off
    run "low-$d-$seed" $d $seed 60 "{ kind = \"low_rank\", rank = $((d / 4)) }" fixed_steps
  done
done
run unfinished 64 3 37 "$dense" off
run empty 64 4 0 "$dense" off
run 'odd<b>&"name' 32 1 60 "$low" off

for width in 1280 500; do
  # Loss against tokens and FLOPs, final loss against both, gap, spikes; variants: three.
  check_page "a whole report" $width 6 7 15 4 "$folder"/runs/*
done
# Of low-32-* and the odd one, alike but for the guide, those with more seeds stay.
check_page "the better guide" 1280 6 6 14 4 --best self_guided.mode "$folder"/runs/*
expect "column of the chosen" "$(shown | grep -c '>Best mode')" 1
check_page "one run" 1280 5 1 1 0 "$folder/runs/dense-32-1"
check_page "one unfinished run" 1280 5 1 1 0 "$folder/runs/unfinished"

# What a reader does: points at a point, hides a variant, sorts by a column. The script says in the
# title what came of it.
cat >"$folder/act.js" <<'ACT'
<script>
{
const chart = document.querySelectorAll('svg.chart')[2];
const box = chart.querySelector('.dot').getBoundingClientRect();
chart.dispatchEvent(new PointerEvent('pointermove', {
  clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true}));
const tip = [...document.getElementById('tip').children].map(node => node.textContent).join('; ');
const lines = () => document.querySelectorAll('svg.chart .dot').length;
const before = lines();
document.querySelector('.chip').click();
const hidden = lines() < before && document.querySelectorAll('#groups tr.off').length;
document.querySelector('.chip').click();
const heads = [...document.querySelectorAll('#groups th')];
const loss = heads.findIndex(th => th.textContent === 'Final loss');
heads[loss].querySelector('button').click();
const sorted = [...document.querySelectorAll('#groups tbody tr')]
    .map(row => row.children[loss].textContent.slice(0, 4)).join(' ');
document.title = `tip: ${tip} | off: ${hidden}, back: ${lines() === before} | loss: ${sorted}`;
}
</script>
ACT
what="a page that is used"
"$lathe" report "$folder"/runs/{dense,low}-* --out "$folder/page.html" 2>/dev/null
cat "$folder/act.js" >>"$folder/page.html"
open_page "$folder/page.html" 1280
expect "messages on the console" "$(cat "$folder/console")" ""
# The loss of step 60 is 1 + 4/sqrt(60) + 20/d and a ripple of 0.003 sin(60 seed), whatever the
# linears: 2.14139 and 0.00041, the mean over both seeds.
expect title "$(grep -o '<title>[^<]*' "$folder/dom" | sed -E 's/([0-9]\.[0-9]{4}) ± [0-9.]+/\1/')" \
  "<title>tip: dense, d_model 32; training FLOP: 1.92G; final loss (nats a token): 2.1418; 2 seeds \
| off: 3, back: true | loss: 1.67 1.67 1.82 1.82 2.14 2.14"

# That an error on the page would have been seen.
what="a page with a planted error"
sed -i 's/^writeRuns();$/planted_error();/' "$folder/page.html"
open_page "$folder/page.html" 1280
expect "uncaught errors" "$(grep -c 'Uncaught ReferenceError: planted_error' "$folder/console")" 1
expect "charts" "$(grep -o '<svg class="chart"' "$folder/dom" | wc -l)" 0

((failures == 0)) && echo "reports open in $("$browser" --version 2>/dev/null)"
