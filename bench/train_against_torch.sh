#!/usr/bin/env bash
# Training steps of lathe and of PyTorch (eager and torch.compile) in turns, so that both meet the same
# machine: the tables of docs/performance.md.
#
#   bench/train_against_torch.sh PYTHON BASELINE.py [ROUNDS] [gpt2-s|small] [f32|bf16]
#
# PYTHON has torch; BASELINE.py prints "VARIANT MODE … N tok/s …" for --variant dense,lowrank32 --mode
# eager,compile and a model's sizes. gpt2-s: 2 × 1024 tokens a step. small: the quickstart's size, width
# 256, 6 layers, 8 × 256 tokens. The precision is PyTorch's; lathe takes its own (auto). LATHE_CPU_ISA
# keeps both to a class of CPU; STEPS=N steps a measurement. Two threads pinned to CPUs 0 and 1.
set -euo pipefail
python=${1:?python}
baseline=${2:?baseline.py}
rounds=${3:-3}
model=${4:-gpt2-s}
precision=${5:-bf16}
lathe=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release/bin/lathe-train
case $model in
  gpt2-s) steps=${STEPS:-3} rank=() ours=() theirs=() ;;
  small)
    steps=${STEPS:-20} rank=(--set ffn_linear.rank=64)
    ours=(--batch 8)
    for key in vocab_size=2048 d_model=256 n_layers=6 n_heads=4 n_kv_heads=4 d_ff=1024 \
      context_length=256; do
      ours+=(--set "$key")
    done
    theirs=(--layers 6 --width 256 --heads 4 --vocab 2048 --seq 256 --batch 8)
    ;;
  *) echo "train_against_torch.sh: model '$model', expected gpt2-s or small" >&2; exit 2 ;;
esac
if [[ $precision == f32 ]]; then theirs+=(--fp32); fi
case ${LATHE_CPU_ISA-} in
  avx2) limits=(ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2) ;;
  avx512) limits=(ONEDNN_MAX_CPU_ISA=AVX512_CORE MKL_ENABLE_INSTRUCTIONS=AVX512) ;;
  avx512_bf16) limits=(ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 MKL_ENABLE_INSTRUCTIONS=AVX512) ;;
  *) limits=() ;;
esac
results=$(mktemp)
trap 'rm -f "$results"' EXIT
run() { taskset -c 0,1 "$@"; }
measure_ours() {  # KIND PRESET SETTING…
  local kind=$1
  shift
  run "$lathe" bench train "$@" "${ours[@]}" --steps "$steps" --threads 2 --json 2>/dev/null |
    tr -d ' ",' | awk -F: -v kind="$kind" '/^tokens_per_s/ { print "lathe", kind, $2 }' >>"$results"
}
for ((round = 0; round < rounds; ++round)); do
  measure_ours dense gpt2-s
  measure_ours lowrank32 gpt2-s-lowrank32 "${rank[@]}"
  for mode in eager compile; do
    run env "${limits[@]}" "$python" "$baseline" --variant dense,lowrank32 --mode $mode \
      --steps "$steps" --threads 2 "${theirs[@]}" 2>/dev/null |
      awk '/tok\/s/ { for (i = 1; i <= NF; ++i) if ($i == "tok/s") print "torch-" $2, $1, $(i - 1) }' >>"$results" ||
      echo "PyTorch $mode failed: its round has fewer figures" >&2
  done
  echo "round $((round + 1)) of $rounds" >&2
done
echo "tokens/s, median of $rounds rounds: $model, ${LATHE_CPU_ISA:-the CPU as it is}, PyTorch in $precision"
sort "$results" | awk '{ k = $1 " " $2; v[k] = v[k] " " $3 } END { for (k in v) print k, v[k] }' | sort |
  while read -r engine model values; do
    median=$(tr ' ' '\n' <<<"$values" | sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')
    printf '%-14s %-20s %8.1f   (%s)\n' "$engine" "$model" "$median" "$values"
  done
