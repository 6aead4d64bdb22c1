# Copyright the lathe authors. Licensed under the Apache License, Version 2.0.
"""Runs models of lathe in transformers: AutoModelForCausalLM.from_pretrained(DIR, trust_remote_code=True).

The config's "plan" lists the stages of the model with every shape, as `lathe describe --json` prints
it; the modules below are built from it, under the names that the weights have in model.safetensors.
Structured linears stay factored (arXiv 2406.16450), and the topologies of arXiv 2404.14462 run as
they were trained.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast


class LatheConfig(PretrainedConfig):
    model_type = "lathe"

    def __init__(self, plan=None, use_cache=True, **kwargs):
        self.plan = plan or []
        self.use_cache = use_cache
        super().__init__(**kwargs)


class Linear(nn.Module):
    """y = W x + b, or z = V x cut into blocks, shuffled, y = U z cut into blocks, shuffled."""

    def __init__(self, spec):
        super().__init__()
        self.factors = {name: tuple(shape) for name, shape in spec["factors"].items()}
        for name, shape in self.factors.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        self.bias = nn.Parameter(torch.empty(spec["out"])) if spec["bias"] else None

    def forward(self, x):
        if "weight" in self.factors:
            return F.linear(x, self.weight, self.bias)
        v = self.v if self.v.dim() == 3 else self.v.unsqueeze(0)  # (blocks, out, in)
        u = self.u if self.u.dim() == 3 else self.u.unsqueeze(0)
        lead = x.shape[:-1]
        z = torch.einsum("...kp,kqp->...kq", x.reshape(*lead, v.shape[0], v.shape[2]), v)
        # Number r·L + l of z is input r of group l; number s·L + l of y is its output s.
        z = z.reshape(*lead, u.shape[2], u.shape[0])
        y = torch.einsum("...rl,lsr->...sl", z, u).reshape(*lead, -1)
        return y if self.bias is None else y + self.bias


class Norm(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.kind, self.eps = spec["kind"], spec["eps"]
        self.weight = nn.Parameter(torch.empty(spec["width"]))
        self.bias = nn.Parameter(torch.empty(spec["width"])) if spec["bias"] else None

    def forward(self, x):
        if self.kind == "layer_norm":
            return F.layer_norm(x, (x.shape[-1],), self.weight, self.bias, self.eps)
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rotary_frequencies(d_head, rope):
    """Radians a position of each of the pairs (x[i], x[i + d_head/2]); 0 of those that stay."""
    dims, scaling = rope["dims"], rope["scaling"]
    out = [0.0] * (d_head // 2)
    for i in range(dims // 2):
        f = rope["base"] ** (-2.0 * i / dims)
        if scaling["kind"] == "linear":
            f /= scaling["factor"]
        elif scaling["kind"] == "llama3":
            waves = scaling["original_context_length"] * f / (2 * math.pi)
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            if waves < low:
                f /= scaling["factor"]
            elif waves <= high:
                s = (waves - low) / (high - low)
                f *= (1 - s) / scaling["factor"] + s
        out[i] = f
    return torch.tensor(out, dtype=torch.float64)


ACTIVATIONS = {
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "swiglu": lambda x: F.silu(x[..., : x.shape[-1] // 2]) * x[..., x.shape[-1] // 2 :],
}


class Block(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        self.norm_1, self.norm_2 = Norm(spec["norm_1"]), Norm(spec["norm_2"])
        self.attention, self.ffn = nn.Module(), nn.Module()
        for name, linear in spec["linears"].items():
            part, leaf = name.split(".")
            setattr(getattr(self, part), leaf, Linear(linear))
        if "qk_norm" in spec:
            self.attention.q_norm, self.attention.k_norm = Norm(spec["qk_norm"]), Norm(spec["qk_norm"])

    def attend(self, x, positions, mask, cache):
        s = self.spec
        heads, kv, e = s["n_heads"], s["n_kv_heads"], s["d_head"]
        qkv = self.attention.qkv(x).unflatten(-1, (heads + 2 * kv, e)).transpose(1, 2)
        q, k, v = qkv.split((heads, kv, kv), dim=1)
        if "qk_norm" in s:
            q, k = self.attention.q_norm(q), self.attention.k_norm(k)
        if s["rope"]:
            angle = positions[..., None].double() * rotary_frequencies(e, s["rope"]).to(x.device)
            cos, sin = angle.cos().float()[:, None], angle.sin().float()[:, None]

            def rotated(h):
                a, b = h.float().chunk(2, dim=-1)
                return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(h.dtype)

            q, k = rotated(q), rotated(k)
        if cache is not None:
            k, v = cache.update(k, v, s["layer"])
        k, v = (t.repeat_interleave(heads // kv, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.attention.out(y.transpose(1, 2).flatten(2))

    def forward(self, x, positions, mask, cache):
        attended = self.attend(self.norm_1(x), positions, mask, cache)
        if self.spec["parallel_residual"]:
            inner = self.norm_2(x)
            x = x + attended
        else:
            x = x + attended
            inner = self.norm_2(x)
        return x + self.ffn.down(ACTIVATIONS[self.spec["activation"]](self.ffn.up(inner)))


class Project(nn.Module):
    """A linear map, or a causal convolution over positions, between stages of two widths."""

    def __init__(self, spec):
        super().__init__()
        k = spec["kernel_size"]
        self.kernel_size = k
        shape = (spec["out"], spec["in"]) + ((k,) if k > 1 else ())
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(spec["out"]))

    def forward(self, x):
        if self.kernel_size == 1:
            return F.linear(x, self.weight, self.bias)
        padded = F.pad(x.transpose(1, 2), (self.kernel_size - 1, 0))
        return F.conv1d(padded, self.weight, self.bias).transpose(1, 2)


class LatheForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = LatheConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    _supports_sdpa = True
    _no_split_modules = ["Block"]

    def __init__(self, config):
        super().__init__(config)
        self.plan = config.plan
        self._tied_weights_keys = {}
        for stage in self.plan:
            getattr(self, "_add_" + stage["stage"])(stage)
        self.post_init()

    # Puts a module under a dotted name, as the weights are called.
    def _add(self, name, module):
        at = self
        *path, last = name.split(".")
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, nn.Module())
            at = getattr(at, part)
        at.add_module(last, module)

    def _add_embed(self, s):
        self._add("embedding.tokens", nn.Embedding(s["vocab_size"], s["width"]))
        if s["learned_positions"]:
            self._add("embedding.positions", nn.Embedding(s["context_length"], s["width"]))

    def _add_blocks(self, s):
        for block in s["blocks"]:
            self._add(block["name"], Block(block))

    def _add_project(self, s):
        self._add(s["name"], Project(s))

    def _add_fork(self, s):
        for path in s["paths"]:
            self._add(path["name"] + ".entry", Linear(path["entry"]))
            self._add_blocks(path)
        if s["gate"]:
            self.gate = nn.Parameter(torch.empty(s["gate"]))

    def _add_norm(self, s):
        self.norm = Norm(s)

    def _add_head(self, s):
        self.head = nn.Linear(s["in"], s["vocab_size"], bias=False)
        if s["tied"]:
            self._tied_weights_keys = {"head.weight": "embedding.tokens.weight"}

    def _init_weights(self, module):
        pass  # every tensor is in the file

    def get_input_embeddings(self):
        return self.embedding.tokens

    def get_output_embeddings(self):
        return self.head

    def _run_blocks(self, blocks, x, *args):
        for block in blocks:
            x = self.get_submodule(block["name"])(x, *args)
        return x

    def _run(self, stage, x, args):
        kind = stage["stage"]
        if kind == "blocks":
            return self._run_blocks(stage["blocks"], x, *args)
        if kind == "project":
            return self.get_submodule(stage["name"])(x)
        if kind == "norm":
            return self.norm(x)
        total = 0
        share = F.pad(self.gate, (0, 1)).softmax(0) if stage["gate"] else x.new_ones(1)
        for i, path in enumerate(stage["paths"]):
            y = self._run_blocks(path["blocks"], self.get_submodule(path["name"] + ".entry")(x), *args)
            total = total + share[i] * y
        return total

    @property
    def _remembers(self):
        """Whether a convolution remembers inputs, which a cache of keys and values does not hold."""
        return any(s["stage"] == "project" and s["kernel_size"] > 1 for s in self.plan)

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None,
                                      use_cache=None, **unused):
        cached = use_cache and past_key_values is not None and not self._remembers
        past = past_key_values.get_seq_length() if cached else 0
        return {"input_ids": input_ids[:, past:], "attention_mask": attention_mask,
                "past_key_values": past_key_values if cached else None, "use_cache": bool(cached)}

    def forward(self, input_ids, attention_mask=None, position_ids=None, past_key_values=None,
                labels=None, use_cache=None, logits_to_keep=0, **unused):
        batch, n = input_ids.shape
        if use_cache is None:
            use_cache = self.config.use_cache
        cache = None if self._remembers else past_key_values
        if cache is None and use_cache and not self._remembers:
            cache = DynamicCache()
        past = cache.get_seq_length() if cache is not None else 0
        device = input_ids.device
        positions = torch.arange(past, past + n, device=device).expand(batch, n)
        mask = torch.ones(n, past + n, dtype=torch.bool, device=device).tril(past)[None, None]
        if attention_mask is not None and not attention_mask.bool().all():
            seen = attention_mask.bool()[:, None, None, : past + n]
            # A row that sees nothing, before a padded text, sees itself.
            mask = (mask & seen) | torch.eye(past + n, dtype=torch.bool, device=device)[past:]
            positions = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, past : past + n]
        if position_ids is not None:
            positions = position_ids
        x = self.embedding.tokens(input_ids)
        if hasattr(self.embedding, "positions"):
            x = x + self.embedding.positions(positions)
        for stage in self.plan[1:-1]:
            x = self._run(stage, x, (positions, mask, cache))
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.head(x[:, keep])
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache)
