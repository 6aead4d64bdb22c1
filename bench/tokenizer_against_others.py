#!/usr/bin/env python3
"""GPT-2 encoding by lathe, tiktoken and gigatoken in turns, each cold (a new tokenizer, made outside
the measured time), in documents of 4 kB: the table of docs/performance.md.

  taskset -c 1 bench/tokenizer_against_others.py BENCH_TOKENIZER GPT2_DIR ROUNDS TEXT…

GPT2_DIR holds vocab.bpe and encoder.json. Needs the packages tiktoken and gigatoken. Prints medians in
MB/s and how many tokens each made.
"""
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time

import gigatoken
import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def documents(paths, size=4096):
    result = []
    for path in paths:
        with open(path, "rb") as file:
            text = file.read()
        while text:
            n = min(size, len(text))
            while n < len(text) and text[n] & 0xC0 == 0x80:
                n += 1
            result.append(text[:n])
            text = text[n:]
    return result


def gpt2_json(folder):
    with open(folder + "/encoder.json") as file:
        vocab = json.load(file)
    with open(folder + "/vocab.bpe") as file:
        merges = [line for line in file.read().split("\n")[1:] if line]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}}


def main(program, folder, rounds, paths):
    texts = documents(paths)
    strings = [text.decode() for text in texts]
    megabytes = sum(map(len, texts)) / 1e6
    ranks = data_gym_to_mergeable_bpe_ranks(folder + "/vocab.bpe", folder + "/encoder.json")
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(gpt2_json(folder), file)
    file.flush()

    def lathe():
        out = subprocess.run([program, folder, "1", *paths], capture_output=True, text=True,
                             check=True).stdout
        found = re.search(r"files, cold +([0-9.]+) MB/s .* (\d+) tokens", out)
        return float(found[1]), int(found[2])

    def tiktoken_each():
        encoding = tiktoken.Encoding("gpt2-here", pat_str=PATTERN, mergeable_ranks=ranks,
                                     special_tokens={})
        start = time.perf_counter()
        n = sum(len(encoding.encode_ordinary(text)) for text in strings)
        return megabytes / (time.perf_counter() - start), n

    def gigatoken_batch():
        tokenizer = gigatoken.Tokenizer(file.name)
        start = time.perf_counter()
        ids = tokenizer.encode_batch(texts, parallel=False)
        seconds = time.perf_counter() - start
        return megabytes / seconds, sum(len(row) for row in ids)

    results = {name: [] for name in ("lathe", "tiktoken", "gigatoken")}
    for _ in range(rounds):
        for name, run in zip(results, (lathe, tiktoken_each, gigatoken_batch)):
            results[name].append(run())
    for name, runs in results.items():
        speeds = [speed for speed, _ in runs]
        print(f"{name:10} {statistics.median(speeds):7.1f} MB/s  ({min(speeds):.1f} to "
              f"{max(speeds):.1f})  {runs[0][1]} tokens")


if len(sys.argv) < 5:
    sys.exit(__doc__)
main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
