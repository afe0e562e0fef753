"""Names of vision transformers there (timm, Hugging Face, the AST repository) → names here: a `TransformerStack` called `stack`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

BEFORE = re.compile(r"^(module\.)?(v\.|audio_spectrogram_transformer\.|vit\.|deit\.|encoder\.(?=cls_token)|network\.)?")
"""What stands before the names of the whole network."""
HUGGING_FACE: dict[str, str] = {
    r"embeddings\.cls_token": "cls_token",
    r"embeddings\.distillation_token": "dist_token",
    r"embeddings\.position_embeddings": "pos_embed",
    r"embeddings\.patch_embeddings\.projection": "patch_embed.proj",
    r"(?:encoder\.)?layers?\.(\d+)\.layernorm_before": r"blocks.\1.norm1",
    r"(?:encoder\.)?layers?\.(\d+)\.layernorm_after": r"blocks.\1.norm2",
    r"(?:encoder\.)?layers?\.(\d+)\.attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)": r"blocks.\1.attn.\2",
    r"(?:encoder\.)?layers?\.(\d+)\.attention\.(?:output\.dense|o_proj|out_proj)": r"blocks.\1.attn.proj",
    r"(?:encoder\.)?layers?\.(\d+)\.(?:intermediate\.dense|mlp\.fc1)": r"blocks.\1.mlp.fc1",
    r"(?:encoder\.)?layers?\.(\d+)\.(?:output\.dense|mlp\.fc2)": r"blocks.\1.mlp.fc2",
    r"layernorm": "norm",
    r"classifier\.layernorm": "mlp_head.0",
}
"""Names there, without what stands before them → names of timm and of the AST repository."""
TIMM: dict[str, str] = {
    r"blocks\.(\d+)\.norm1": r"stack.blocks.\1.norm_attention",
    r"blocks\.(\d+)\.norm2": r"stack.blocks.\1.norm_feed_forward",
    r"blocks\.(\d+)\.attn\.qkv": r"stack.blocks.\1.attention.into",
    r"blocks\.(\d+)\.attn\.proj": r"stack.blocks.\1.attention.out",
    r"blocks\.(\d+)\.mlp\.fc1": r"stack.blocks.\1.feed_forward.into",
    r"blocks\.(\d+)\.mlp\.fc2": r"stack.blocks.\1.feed_forward.out",
    r"blocks\.(\d+)\.ls1\.gamma": r"stack.blocks.\1.scale_attention.weight",
    r"blocks\.(\d+)\.ls2\.gamma": r"stack.blocks.\1.scale_feed_forward.weight",
    r"norm": "stack.norm",
    r"mlp_head\.0": "norm",
}
"""Names of timm → names here."""
PARTS = {"query": 0, "q_proj": 0, "key": 1, "k_proj": 1, "value": 2, "v_proj": 2}
"""Of one layer: which third of it a matrix is."""


def name_tensors(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names here; queries, keys and values of Hugging Face are joined as one layer."""
    known = {_rename(BEFORE.sub("", name, count=1), HUGGING_FACE): value for name, value in given.items()}
    joined: dict[str, Tensor] = {}
    thirds: dict[str, dict[int, Tensor]] = {}
    for name, value in known.items():
        layer, _, kind = name.rpartition(".")
        block, _, part = layer.rpartition(".")
        if part in PARTS and block.endswith("attn"):
            thirds.setdefault(f"{block}.qkv.{kind}", {})[PARTS[part]] = value
        else:
            joined[name] = value
    for name, parts in thirds.items():
        if len(parts) == len(set(PARTS.values())):
            joined[name] = torch.cat([parts[number] for number in sorted(parts)])
    return {_rename(name, TIMM): value for name, value in joined.items()}


def _rename(name: str, table: Mapping[str, str]) -> str:
    """The name with its layer as the table has it."""
    for pattern, ours in table.items():
        found = re.fullmatch(rf"{pattern}(\.weight|\.bias)?", name)
        if found:
            return found.expand(ours) + (found.groups()[-1] or "")
    return name
