#!/usr/bin/env bash
# examples/import_export/run.sh runs to its end, the imported model answers, and transformers finds
# the factored and the merged model equal.
#
#   import_export_test.sh SOURCE_DIR BIN_DIR MODEL.gguf
set -euo pipefail
source_dir=$1 bin=$2 gguf=$3
if [[ ! -f $gguf ]]; then
  echo "SKIP: no SmolLM2 here (pip could not fetch it)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$bin:$PATH "$source_dir/examples/import_export/run.sh" "$work" "$gguf" 2>&1 | tee "$work/log"
grep -q 'The capital of France is Paris' "$work/log"
grep -q 'import_export: done' "$work/log"
if ! grep -q 'SKIP: no Python' "$work/log"; then
  grep -q 'LatheForCausalLM' "$work/log"
  grep -q 'Starcoder2ForCausalLM' "$work/log"
fi
