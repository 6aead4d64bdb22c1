"""Models of every family in and out against transformers: logits within 1e-4 both ways, and lathe's
own models by the modeling_lathe.py that an export brings.

  transformers_test.py BIN_DIR SOURCE_DIR

Runs itself under the Python that has transformers, $LATHE_PEERS_PYTHON or the project's .venv-peers,
which `scripts/setup --peers` makes.
"""

import os
import subprocess
import sys

from peers import Doors, largest_difference, skip

IDS = [(i * 31 + 7) % 199 for i in range(23)]
VOCAB = 200
TOLERANCE = 1e-4


def find_python():
    python = os.environ.get("LATHE_PEERS_PYTHON") or os.path.join(
        sys.argv[2], ".venv-peers", "bin", "python")
    # Beside the torch of another Python it is of no use.
    works = os.path.exists(python) and not subprocess.run(
        [python, "-c", "import torch, transformers"], capture_output=True, check=False).returncode
    if not works:
        skip("no transformers here (scripts/setup --peers installs it)")
    return python


def families():
    """(name, config) of a tiny model of each family and its options."""
    import transformers as t

    sizes = dict(vocab_size=VOCAB, hidden_size=48, intermediate_size=96, num_hidden_layers=3,
                 num_attention_heads=6, max_position_embeddings=64)
    llama3 = dict(rope_type="llama3", rope_theta=5e5, factor=8.0, low_freq_factor=1.0,
                  high_freq_factor=4.0, original_max_position_embeddings=32)
    linear = dict(rope_type="linear", rope_theta=1e4, factor=2.5)
    gpt2 = dict(vocab_size=VOCAB, n_embd=48, n_layer=3, n_head=6, n_positions=64)
    return [
        ("gpt2", t.GPT2Config(**gpt2)),
        ("gpt2, gelu, other inner width", t.GPT2Config(n_inner=80, activation_function="gelu", **gpt2)),
        ("llama", t.LlamaConfig(num_key_value_heads=2, **sizes)),
        ("llama, tied, all biases", t.LlamaConfig(num_key_value_heads=6, attention_bias=True,
                                                  mlp_bias=True, tie_word_embeddings=True, **sizes)),
        ("llama, attention biases", t.LlamaConfig(num_key_value_heads=3, attention_bias=True, **sizes)),
        ("llama, rope llama3", t.LlamaConfig(num_key_value_heads=2, rope_parameters=llama3, **sizes)),
        ("llama, rope linear", t.LlamaConfig(num_key_value_heads=2, rope_parameters=linear, **sizes)),
        ("qwen2", t.Qwen2Config(num_key_value_heads=2, **sizes)),
        ("qwen3", t.Qwen3Config(num_key_value_heads=2, head_dim=16, **sizes)),
        ("starcoder2", t.Starcoder2Config(num_key_value_heads=2, **sizes)),
        ("starcoder2, no biases, window", t.Starcoder2Config(num_key_value_heads=2, use_bias=False,
                                                             sliding_window=40, **sizes)),
        ("gpt_neox", t.GPTNeoXConfig(rotary_pct=0.5, **sizes)),
        ("gpt_neox, one after the other", t.GPTNeoXConfig(rotary_pct=1.0, use_parallel_residual=False,
                                                          hidden_act="gelu_new", **sizes)),
    ]


def theirs(model, ids):
    import torch

    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().tolist()


def randomise(model):
    """Values that keep activations near 1, so that a difference in logits means something."""
    import torch

    torch.manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) / p.shape[-1] ** 0.5)


def check_family(doors, number, name, config, tokenizer):
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(number)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    randomise(model)
    folder, ours, back = (doors.path(str(number) + x) for x in (".hf", ".lathe", ".out"))
    # One file, and the same model in shards.
    model.save_pretrained(folder, max_shard_size="30KB" if number % 2 else "1GB")
    expected = theirs(model, IDS)
    doors.lathe("import", folder, "--out", ours, "--tokenizer", tokenizer)
    found = doors.logits(ours, IDS, VOCAB)
    difference = largest_difference(expected, found)
    doors.check("in: " + name, difference < TOLERANCE, "%.1e" % difference)
    doors.lathe("export", ours, "--format", "hf", "--out", back)
    again = AutoModelForCausalLM.from_pretrained(back, dtype=torch.float32).eval()
    # Without parallel residuals and with the whole head rotating, GPT-NeoX is Starcoder2.
    alike = name == "gpt_neox, one after the other"
    wanted = "Starcoder2ForCausalLM" if alike else type(model).__name__
    same = type(again).__name__ == wanted
    doors.check("out: the same class: " + name, same, type(again).__name__)
    difference = largest_difference(expected, theirs(again, IDS))
    doors.check("out: " + name, difference < TOLERANCE, "%.1e" % difference)


def check_own(doors):
    """Every topology, kind and option of ours through modeling_lathe.py or a class of theirs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    status, out, err = doors.run("write_tiny_models", doors.path("tiny"))
    assert status == 0, err
    ids = [(i * 31 + 7) % 256 for i in range(23)]
    for number, name in enumerate(out.decode().splitlines()):
        folder, back = doors.path("tiny", str(number)), doors.path("tiny", "%d.out" % number)
        expected = doors.logits(folder, ids, 257)
        doors.lathe("export", folder, "--format", "hf", "--out", back)
        model = AutoModelForCausalLM.from_pretrained(back, trust_remote_code=True,
                                                     dtype=torch.float32).eval()
        difference = largest_difference(expected, theirs(model, ids))
        doors.check("factored: %s (%s)" % (name, type(model).__name__), difference < TOLERANCE,
                    "%.1e" % difference)
        if number % 5:
            continue
        prompt = torch.tensor([ids])
        cached = model.generate(prompt, max_new_tokens=8, do_sample=False, use_cache=True,
                                pad_token_id=0, eos_token_id=None)
        plain = model.generate(prompt, max_new_tokens=8, do_sample=False, use_cache=False,
                               pad_token_id=0, eos_token_id=None)
        doors.check("cached generation: " + name, torch.equal(cached, plain))
        text = "Zwölf Boxkämpfer — 12!"
        found = AutoTokenizer.from_pretrained(back, trust_remote_code=True)(text, add_special_tokens=False).input_ids
        doors.check("tokenizer: " + name, found == list(text.encode()))
        if "pgpt" in name or "low_rank" in name or "block" in name:
            check_merged(doors, number, name, folder, ids)


def check_merged(doors, number, name, folder, ids):
    import torch
    from transformers import AutoModelForCausalLM

    if any(x in name for x in ("lgpt", "cgpt", "pgpt")):
        return
    merged = doors.path("tiny", "%d.merged" % number)
    doors.lathe("export", folder, "--format", "lathe", "--merge", "--out", merged)
    difference = largest_difference(doors.logits(folder, ids, 257), doors.logits(merged, ids, 257))
    doors.check("merged: " + name, difference < TOLERANCE, "%.1e" % difference)


def main():
    if "transformers" not in sys.modules and os.environ.get("LATHE_IN_PEERS") != "1":
        os.environ["LATHE_IN_PEERS"] = "1"
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("HF_MODULES_CACHE", "/tmp/lathe-hf-modules-%d" % os.getpid())
        python = find_python()
        os.execv(python, [python, *sys.argv])
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    doors = Doors()
    for number, (name, config) in enumerate(families()):
        check_family(doors, number, name, config, write_tokenizer(doors))
    check_own(doors)
    doors.finish()


def write_tokenizer(doors):
    """A byte-level tokenizer of fewer ids than the models: 100 tokens."""
    import json

    path = doors.path("tokenizer.json")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    vocab = {chr(33 + i): i for i in range(94)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": byte_level,
                   "post_processor": None, "decoder": byte_level,
                   "model": {"type": "BPE", "vocab": vocab, "merges": []}}, file)
    return path


if __name__ == "__main__":
    main()
