"""What the tests against other programs share: running lathe, its logits, and counting checks."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

SKIP = 77


def skip(reason):
    print("SKIP: " + reason)
    sys.exit(SKIP)


class Doors:
    """The programs of a build, a scratch folder, and the checks made so far."""

    def __init__(self):
        self.bin = sys.argv[1]
        self.source = sys.argv[2]
        self.scratch = tempfile.mkdtemp(prefix="lathe-doors-")
        self.failures = self.checks = 0

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def run(self, program, *arguments):
        """(status, stdout bytes, stderr text)"""
        done = subprocess.run([os.path.join(self.bin, program), *map(str, arguments)],
                              capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def lathe(self, *arguments):
        status, out, err = self.run("lathe", *arguments)
        if status:
            raise RuntimeError("lathe %s: %s" % (" ".join(map(str, arguments)), err))
        return out

    def logits(self, model, ids, vocab):
        """lathe's logits of every position: a list of lists."""
        status, out, err = self.run("native_logits", model, *ids)
        if status:
            raise RuntimeError(err)
        flat = struct.unpack("<%df" % (len(out) // 4), out)
        assert len(flat) == len(ids) * vocab
        return [flat[i * vocab:(i + 1) * vocab] for i in range(len(ids))]

    def check(self, what, holds, detail=""):
        self.checks += 1
        if not holds:
            self.failures += 1
        print("%s %s %s" % ("ok  " if holds else "FAIL", what, detail), flush=True)

    def finish(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
        print("%d checks, %d failed" % (self.checks, self.failures))
        sys.exit(1 if self.failures else 0)


def largest_difference(a, b):
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))
