#!/usr/bin/env bash
# Training steps of lathe and of PyTorch (eager and torch.compile) in turns, so that both meet the same
# machine: the table of docs/performance.md.
#
#   bench/train_against_torch.sh PYTHON BASELINE.py [ROUNDS]
#
# PYTHON has torch; BASELINE.py prints "VARIANT MODE … N tok/s …" for --variant dense,lowrank32 --mode
# eager,compile. gpt2-s shape, 2 × 1024 tokens, bf16, two threads pinned to CPUs 0 and 1.
set -euo pipefail
python=${1:?python}
baseline=${2:?baseline.py}
rounds=${3:-3}
lathe=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release/bin/lathe-train
results=$(mktemp)
trap 'rm -f "$results"' EXIT
run() { taskset -c 0,1 "$@"; }
for ((round = 0; round < rounds; ++round)); do
  run "$lathe" bench train gpt2-s gpt2-s-lowrank32 --steps 3 --threads 2 --json |
    tr -d ' ",' | awk -F: '/^model/ { m = $2 } /^tokens_per_s/ { print "lathe", m, $2 }' >>"$results"
  run "$python" "$baseline" --variant dense,lowrank32 --mode eager,compile --steps 3 --threads 2 2>/dev/null |
    awk '/tok\/s/ { for (i = 1; i <= NF; ++i) if ($i == "tok/s") print "torch-" $2, $1, $(i - 1) }' >>"$results"
  echo "round $((round + 1)) of $rounds" >&2
done
echo "tokens/s, median of $rounds rounds"
sort "$results" | awk '{ k = $1 " " $2; v[k] = v[k] " " $3 } END { for (k in v) print k, v[k] }' | sort |
  while read -r engine model values; do
    median=$(tr ' ' '\n' <<<"$values" | sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')
    printf '%-14s %-20s %8.1f   (%s)\n' "$engine" "$model" "$median" "$values"
  done
