#!/usr/bin/env bash
# The rules about files that no compiler checks: which layer includes which, how long a file is, and
# that nothing lies about unbuilt.
#
#   layering_test.sh SOURCE_DIR     exit 1 and a line for every breach
#   layering_test.sh --self-test    that each rule does catch its breach
set -euo pipefail

# room: what it may include of ours, itself included. `cli` may include everything.
allowed() {
  case "$1" in
    base) echo base ;;
    model) echo base model ;;
    text) echo base text ;;
    data) echo base text data ;;
    weights) echo base model text weights ;;
    eval) echo base model text data weights eval ;;
    run) echo base model text data weights run ;;
    kernels) echo base kernels ;;
    infer) echo base model text data weights eval kernels infer ;;
    serve) echo base model text data weights eval kernels infer serve ;;
    train) echo base model text data weights eval run kernels train ;;
    report) echo base model text data weights run report ;;
    study) echo base model text data weights run study ;;
    cli) echo "$layers" ;;
  esac
}
layers="base model text data weights eval run kernels infer serve train report study cli"
longest=400

check() {
  local root=$1 layer file line target breaches=0
  breach() {
    echo "$*"
    breaches=$((breaches + 1))
  }
  cd "$root"
  # Not every tree has all of them.
  local sources
  sources=$(ls -d src tests bench examples 2>/dev/null || true)

  for file in src/*/; do
    layer=$(basename "$file")
    [[ " $layers " == *" $layer "* ]] || breach "$file: a layer that layering_test.sh does not know"
  done
  for layer in $layers; do
    [[ -d src/$layer ]] || continue
    while IFS=: read -r file line target; do
      if [[ " $layers " == *" $target "* && " $(allowed "$layer") " != *" $target "* ]]; then
        breach "$file:$line: $layer includes $target"
      fi
      if [[ $layer != train && $layer != cli && " torch ATen c10 caffe2 " == *" $target "* ]]; then
        breach "$file:$line: $layer includes LibTorch"
      fi
      if [[ $file != src/data/parquet_plugin.cpp && " arrow parquet " == *" $target "* ]]; then
        breach "$file:$line: $layer includes Arrow"
      fi
    done < <(grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][A-Za-z0-9_]+/' "src/$layer" |
      sed -E 's/:[[:space:]]*#[[:space:]]*include[[:space:]]*["<]/:/; s,/$,,')
  done

  while read -r line file; do
    if ((line > longest)); then breach "$file: $line lines, at most $longest"; fi
  done < <(find $sources -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.inc' -o -name '*.js' -o -name '*.css' \) -exec wc -l {} + |
    grep -v ' total$')

  # A source is built when a CMakeLists.txt of its folder or of one above names it by its path from
  # there; unit_tests.cmake names the main of all tests.
  while read -r file; do
    local folder name found=no
    folder=$(dirname "$file")
    name=$(basename "$file")
    while [[ $folder != . ]]; do
      if [[ -f $folder/CMakeLists.txt ]] &&
        grep -qE "(^|[[:space:](])${name//./\\.}($|[[:space:])])" "$folder/CMakeLists.txt"; then
        found=yes
      fi
      name=$(basename "$folder")/$name
      folder=$(dirname "$folder")
    done
    if [[ $found == no ]] && ! grep -qsF "$file" cmake/*.cmake; then
      breach "$file: in no CMakeLists.txt"
    fi
  done < <(find $sources -type f -name '*.cpp')

  # Another file includes every header: by its path from src or tests, or from its own folder.
  local included
  included=$(grep -rhoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' --include='*.cpp' \
    --include='*.h' --include='*.inc' $sources | sed -E 's/.*"(.*)"/\1/' | sort -u)
  while read -r file; do
    if ! grep -qxF -e "${file#*/}" -e "$(basename "$file")" <<<"$included"; then
      breach "$file: nobody includes it"
    fi
  done < <(find src tests -type f \( -name '*.h' -o -name '*.inc' \))

  ((breaches == 0))
}

# A tree without breaches, to plant one in.
make_tree() {
  local layer
  for layer in $layers; do mkdir -p "$1/src/$layer"; done
  mkdir -p "$1/tests/base" "$1/cmake"
  echo '#include "base/a.h"' >"$1/src/base/a.cpp"
  echo '#pragma once' >"$1/src/base/a.h"
  echo 'add_library(base a.cpp)' >"$1/src/base/CMakeLists.txt"
  printf '#include "base/a.h"\n#include <torch/torch.h>\n' >"$1/src/train/t.cpp"
  echo 'add_library(train t.cpp)' >"$1/src/train/CMakeLists.txt"
  echo 'int main() {}' >"$1/tests/base/a_test.cpp"
  printf 'tests(\n  a_test.cpp\n)\n' >"$1/tests/base/CMakeLists.txt"
}

self_test() {
  local folder=$1 n=0 expected plant output
  make_tree "$folder/good"
  (check "$folder/good") || { echo "the good tree was refused"; return 1; }
  while IFS='|' read -r expected plant; do
    n=$((n + 1))
    make_tree "$folder/$n"
    (cd "$folder/$n" && eval "$plant")
    if output=$(check "$folder/$n"); then
      echo "not caught: $plant"
      return 1
    fi
    if [[ $output != *"$expected"* ]]; then
      echo "caught for another reason: $plant"
      echo "$output"
      return 1
    fi
  done <<'EOF'
src/base/a.cpp:2: base includes model|echo '#include "model/plan.h"' >>src/base/a.cpp
model includes text|echo '#include "text/tokenizer.h"' >src/model/m.h
text includes model|echo '#include "model/plan.h"' >src/text/t.h
data includes weights|echo '#include "weights/safetensors.h"' >src/data/d.h
weights includes eval|echo '#include "eval/windows.h"' >src/weights/w.h
eval includes run|echo '#include "run/run_spec.h"' >src/eval/e.h
eval includes infer|echo '#include "infer/model.h"' >src/eval/e.h
run includes train|echo '#include "train/trainer.h"' >src/run/r.h
infer includes run|echo '#include "run/run_spec.h"' >src/infer/i.h
report includes study|echo '#include "study/study.h"' >src/report/r.h
study includes report|echo '#include "report/page.h"' >src/study/s.h
train includes cli|echo '#include "cli/commands.h"' >>src/train/t.cpp
src/base/a.cpp:2: base includes kernels|echo '#include "kernels/k.h"' >>src/base/a.cpp
src/base/a.cpp:2: base includes LibTorch|echo '  #  include <ATen/ATen.h>' >>src/base/a.cpp
data includes Arrow|echo '#include <parquet/types.h>' >src/data/d.h
train includes infer|echo '#include "infer/model.h"' >>src/train/t.cpp
infer includes train|echo '#include "train/t.h"' >src/infer/i.h
infer includes serve|echo '#include "serve/t.h"' >src/infer/i.h
kernels includes LibTorch|mkdir src/kernels/sub && echo '#include <c10/x.h>' >src/kernels/sub/k.inc
report includes infer|echo '#include "infer/model.h"' >src/report/r.h
infer includes report|echo '#include "report/page.h"' >src/infer/i.h
report includes LibTorch|echo '#include <torch/torch.h>' >src/report/r.h
serve includes train|echo '#include "train/t.h"' >src/serve/s.h
does not know|mkdir src/misc
src/base/a.h: 401 lines|seq 401 | sed 's,^,// ,' >src/base/a.h
src/report/p.js: 401 lines|seq 401 >src/report/p.js
src/base/b.cpp: in no CMakeLists.txt|touch src/base/b.cpp
tests/base/b_test.cpp: in no CMakeLists.txt|touch tests/base/b_test.cpp && echo xb_test.cpp >>tests/base/CMakeLists.txt
examples/e.cpp: 401 lines|mkdir examples && seq 401 | sed 's,^,// ,' >examples/e.cpp
examples/e.cpp: in no CMakeLists.txt|mkdir examples && touch examples/e.cpp
src/base/lost.h: nobody includes it|touch src/base/lost.h
EOF
  echo "$n breaches caught"
}

if [[ ${1-} == --self-test ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  self_test "$folder"
else
  check "${1:?usage: layering_test.sh SOURCE_DIR | --self-test}"
fi
