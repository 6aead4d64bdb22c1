"""HellaSwag on a GPT-2 of 124M random parameters: lathe against lm_eval with transformers.

  eval_against_lm_eval.py LATHE DATA GPT2_TOKENIZER WORK_DIR [--items 64] [--threads 2] [--rounds 2]

LATHE: the program; DATA: the folder with hellaswag/; GPT2_TOKENIZER: a folder with encoder.json and
vocab.bpe. Needs lm_eval[hf] (and its torch and transformers). Both are given the same items, in turns,
f32 and bf16; lm_eval at each of its batch sizes, of which the best counts. lathe's time is that of the
whole command, loading included, lm_eval's that of its scoring. Prints items a second, and the largest
difference of two f32 log-likelihoods.
"""

import argparse
import json
import os
import shutil
import subprocess
import time

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

p = argparse.ArgumentParser()
for name in ("lathe", "data", "tokenizer", "work"):
    p.add_argument(name)
p.add_argument("--items", type=int, default=64)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--rounds", type=int, default=2)
p.add_argument("--batches", default="1,4,16")
a = p.parse_args()
torch.set_num_threads(a.threads)
os.makedirs(a.work, exist_ok=True)
hf = os.path.join(a.work, "hf")


def lathe(*arguments):
    command = [a.lathe, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_models():
    if not os.path.exists(hf):
        torch.manual_seed(0)
        GPT2LMHeadModel(GPT2Config()).save_pretrained(hf)
        for theirs, name in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
            shutil.copyfile(os.path.join(a.tokenizer, theirs), os.path.join(hf, name))
        GPT2TokenizerFast.from_pretrained(hf).save_pretrained(hf)
    for kind in ("f32", "bf16"):
        out = os.path.join(a.work, kind)
        if not os.path.exists(out):
            lathe("import", hf, "--out", out, "--type", kind)


def requests():
    path = os.path.join(a.work, "requests.jsonl")
    lathe("eval", "--tasks", "hellaswag", "--data", a.data, "--limit", a.items, "--dump-requests", path)
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def time_lathe(kind):
    items = os.path.join(a.work, "items.jsonl")
    if os.path.exists(items):
        os.remove(items)
    start = time.time()
    lathe("eval", os.path.join(a.work, kind), "--tasks", "hellaswag", "--data", a.data, "--limit", a.items,
          "--threads", a.threads, "--items", items)
    seconds = time.time() - start
    with open(items, encoding="utf-8") as lines:
        return seconds, [x for line in lines for x in json.loads(line)["log_likelihoods"]]


def time_lm_eval(model, batch, lines):
    model.batch_size_per_gpu = batch
    instances = [Instance(request_type="loglikelihood", doc={}, arguments=(r["context"], r["continuation"]),
                          idx=r["choice"]) for r in lines]
    start = time.time()
    scores = model.loglikelihood(instances, disable_tqdm=True)
    return time.time() - start, [s for s, _ in scores]


make_models()
asked = requests()
for kind, dtype in (("f32", "float32"), ("bf16", "bfloat16")):
    model = HFLM(pretrained=hf, dtype=dtype, device="cpu", batch_size=1)
    ours, theirs = [], []
    for _ in range(a.rounds):
        for batch in map(int, a.batches.split(",")):
            seconds, expected = time_lm_eval(model, batch, asked)
            theirs.append((seconds, batch))
        seconds, scores = time_lathe(kind)
        ours.append(seconds)
    best, batch = min(theirs)
    print("%s: lathe %.2f items/s, lm_eval %.2f (batch %d): %.2f times; largest difference %.2g" %
          (kind, a.items / min(ours), a.items / best, batch, best / min(ours),
           max(abs(x - y) for x, y in zip(scores, expected))), flush=True)
