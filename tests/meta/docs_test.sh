#!/usr/bin/env bash
# The commands that the documents show exist: `lathe X` at the start of a code line, or of a code
# span, needs an X that `lathe --help` lists. `lathe X Y` needs a Y in X's help.
#
#   docs_test.sh LATHE SOURCE_DIR           exit 1 and a line for every command that there is not
#   docs_test.sh LATHE --self-test          that a wrong command is caught
set -euo pipefail

# Words after `lathe` in the code of Markdown files, as FILE:LINE:X [Y].
shown_commands() {
  awk '
    FNR == 1 { fenced = 0 }
    /^```/ { fenced = !fenced; next }
    fenced {
      if (match($0, /^(\$ )?lathe [a-z]+( [a-z]+)?/)) report(substr($0, RSTART, RLENGTH))
      next
    }
    {
      rest = $0
      while (match(rest, /`lathe [a-z]+( [a-z]+)?/)) {
        report(substr(rest, RSTART + 1, RLENGTH - 1))
        rest = substr(rest, RSTART + RLENGTH)
      }
    }
    function report(text) {
      sub(/^(\$ )?lathe /, "", text)
      print FILENAME ":" FNR ":" text
    }' "$@"
}

# What a help text lists: one indented word a line, for a command those under "Subcommands:".
listed() {
  sed -nE '/^usage:|^Subcommands:/,$s/^  ([a-z]+) .*/\1/p'
}

check() {
  local lathe=$1 root=$2 file line words command action commands actions breaches=0
  cd "$root"
  commands=$("$lathe" --help | listed)
  shopt -s nullglob
  while IFS=: read -r file line words; do
    read -r command action <<<"$words"
    # Empty where the command has none, or belongs to a lathe-train that is not built.
    actions=$("$lathe" "$command" --help 2>/dev/null | listed || true)
    if ! grep -qx -- "$command" <<<"$commands"; then
      echo "$file:$line: there is no 'lathe $command'"
      breaches=$((breaches + 1))
    elif [[ -n $action && -n $actions ]] && ! grep -qx -- "$action" <<<"$actions"; then
      echo "$file:$line: there is no 'lathe $command $action'"
      breaches=$((breaches + 1))
    fi
  done < <(shown_commands README.md CONTRIBUTING.md docs/*.md)
  ((breaches == 0))
}

self_test() {
  local lathe=$1 folder=$2 output
  mkdir "$folder/docs"
  printf 'lathe makes models. Use `lathe describe`, `lathe data info DIR` or:\n```sh\nlathe eval m\n```\n' \
    >"$folder/README.md"
  printf 'lathe nothing\n' >"$folder/CONTRIBUTING.md"
  (check "$lathe" "$folder") || { echo "the good documents were refused"; return 1; }
  printf '`lathe data inof` and\n`lathe descrbe`\n```\n$ lathe evl\n```\n' >"$folder/docs/a.md"
  if output=$(check "$lathe" "$folder"); then
    echo "wrong commands were not caught"
    return 1
  fi
  diff <(echo "$output") - <<'END'
docs/a.md:1: there is no 'lathe data inof'
docs/a.md:2: there is no 'lathe descrbe'
docs/a.md:4: there is no 'lathe evl'
END
}

if [[ ${2-} == --self-test ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  self_test "$1" "$folder"
else
  check "${1:?usage: docs_test.sh LATHE SOURCE_DIR | LATHE --self-test}" "$2"
fi
