"""Every GGUF that lathe writes, loaded by llama.cpp: the same greedy text.

  llama_cpp_test.py BIN_DIR SOURCE_DIR

Needs llama.cpp's example program llama-simple, from $LATHE_LLAMA_CPP (its folder of programs) or the
PATH.
"""

import os
import shutil
import subprocess
import sys

from peers import Doors, skip

# llama.cpp keeps keys and values in f16 and looks gelu up in a table of f16: a random model's near
# ties may fall otherwise after some tokens.
TOKENS = 8
PROMPT = "A text of 37 bytes, for every model."


def find_llama_simple():
    folder = os.environ.get("LATHE_LLAMA_CPP")
    program = os.path.join(folder, "llama-simple") if folder else shutil.which("llama-simple")
    if not program or not os.path.exists(program):
        skip("no llama.cpp here (set LATHE_LLAMA_CPP to its folder of programs)")
    return program


def their_text(program, path):
    done = subprocess.run([program, "-m", path, "-n", str(TOKENS), PROMPT], capture_output=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-400:])
    out = done.stdout
    at = out.find(PROMPT.encode())
    return out[at + len(PROMPT):]


def check(doors, program, name, model, *options):
    path = doors.path("model.gguf")
    status, _, err = doors.run("lathe", "export", model, "--format", "gguf", "--force", "--out", path,
                               *options)
    if status:
        reason = err.strip().splitlines()[-1]
        expected = ("no architecture" in reason or "rope scaling llama3" in reason)
        doors.check("refused: " + name, expected, reason)
        return 0
    ours = doors.path("ours")
    doors.lathe("import", path, "--force", "--out", ours)
    a = doors.lathe("generate", ours, "--prompt", PROMPT, "--max-tokens", TOKENS, "--temperature", 0)
    # lathe prints U+FFFD for bytes that are no character, llama.cpp the bytes.
    a, b = (text.decode(errors="replace") for text in (a, their_text(program, path)))
    n = min(len(a), len(b)) - 1
    doors.check("%s %s" % (name, " ".join(options)), n > 3 and a[:n] == b[:n], "%r %r" % (a, b))
    return 1


def main():
    program = find_llama_simple()
    doors = Doors()
    status, out, err = doors.run("write_tiny_models", doors.path("tiny"))
    assert status == 0, err
    loaded = 0
    for number, name in enumerate(out.decode().splitlines()):
        merge = ["--merge"] + (["--path", "best"] if "pgpt" in name else [])
        loaded += check(doors, program, name, doors.path("tiny", str(number)), *merge)
        if number % 7 == 0:
            for dtype in ("bf16", "f16", "q8_0"):
                check(doors, program, name, doors.path("tiny", str(number)), "--type", dtype, *merge)
    # A fault that refused everything would otherwise go unseen.
    doors.check("expressible models are loaded", loaded >= 15, loaded)
    doors.finish()


if __name__ == "__main__":
    main()
