"""Exported models in transformers: the factored one with the code that came with it, the merged one
as a class that transformers has. Both are the same model.

  use_in_python.py FACTORED_DIR MERGED_DIR
"""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

logits = []
for folder in sys.argv[1:3]:
    # trust_remote_code: the folder's modeling_lathe.py is run.
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32)
    model.eval()
    prompt = tokenizer("The ", return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        logits.append(model(**prompt).logits)
        text = model.generate(**prompt, max_new_tokens=16, do_sample=False, pad_token_id=0)
    parameters = sum(p.numel() for p in model.parameters())
    print(type(model).__name__, f"{parameters:,} parameters:", repr(tokenizer.decode(text[0])))

difference = (logits[0] - logits[1]).abs().max().item()
print(f"largest difference of logits: {difference:.1e}")
sys.exit(difference > 1e-3)
