#!/usr/bin/env bash
# examples/smollm2/run.py goes from a model to its table, and on where it was stopped; on a model of a
# million parameters, since the real one takes hours.
#
#   smollm2_test.sh SOURCE_DIR BIN_DIR
set -euo pipefail
source_dir=$1 bin=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$bin:$PATH
cat "$source_dir"/docs/*.md >"$work/learn.txt"
cat "$source_dir/README.md" "$source_dir/CHANGELOG.md" >"$work/test.txt"
lathe data prepare --tokenizer bytes --out "$work/data" "$work/learn.txt"
lathe train "$source_dir/configs/train/tiny.toml" --set data.path="$work/data" --set out="$work/run" \
  --set steps=30 --set eval_every=0 --set sample_every=0 --set checkpoint_every=30 \
  --set model.ffn_linear.kind=dense
study() {
  "$source_dir/examples/smollm2/run.py" "$work/study" --model "$work/run/checkpoints/step-30" \
    --wiki-test "$work/test.txt" --learn "$work/learn.txt" --code "$source_dir/tests" \
    --kinds low_rank --shares 0.5 --methods plain whitened "kfac, allocated" --tokens 3000 \
    --window 128 --windows 2 --sequence 64 --minutes 0.02 "$@"
}
study | tee "$work/table"
for row in original 'low_rank 50 % plain' 'low_rank 50 % whitened' 'low_rank 50 % kfac, allocated' \
  'low_rank 50 % plain, trained'; do
  grep -q "^| $row |" "$work/table" || { echo "no row '$row'"; exit 1; }
done
study 2>"$work/again" | diff - "$work/table"
if [[ -s $work/again ]]; then
  echo "the second time it worked again:"
  cat "$work/again"
  exit 1
fi
study --table | diff - "$work/table"
