"""Which file of a folder holds its weights: the usual names, safetensors before pickles, an index of several before its pieces."""

from __future__ import annotations

import json
from pathlib import Path

from trainwright.config.errors import ConfigError

STEMS = ("model", "diffusion_pytorch_model", "open_clip_model", "pytorch_model")
"""Names under which Trainwright, transformers, diffusers, OpenCLIP and timm keep weights, the likeliest first."""
ENDINGS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pth", ".pt")
NAMES = tuple(f"{stem}{ending}" for ending in ENDINGS for stem in STEMS)
"""Usual names, in the order in which they are looked for."""
PATTERNS = ("*.safetensors.index.json", "*.bin.index.json", "*.safetensors", "*.bin", "*.pth", "*.pt", "*.ckpt", "*.npz")


def architecture_in(folder: Path) -> str:
    """What a `config.json` of transformers, diffusers or timm beside weights says they are of; empty where it says nothing."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = config.get("architectures") or config.get("architecture") or config.get("_class_name")
    except (OSError, ValueError, AttributeError):
        return ""
    first = named[0] if isinstance(named, list) and named else named
    return first if isinstance(first, str) else ""


def weights_file_in(folder: Path) -> Path | None:
    """The file of weights in a folder, or the index of several; None where there is none. Raises ConfigError for several alike."""
    if not folder.is_dir():
        return None
    usual = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if usual is not None:
        return usual
    for pattern in PATTERNS:
        found = sorted(each for each in folder.glob(pattern) if each.is_file())
        if len(found) == 1:
            return found[0]
        if found:
            why = f"it has {', '.join(each.name for each in found[:4])}{', …' if len(found) > 4 else ''}"
            raise ConfigError("this folder holds several files of weights", where=str(folder), why=why, fix=f"name one: {found[0]}")
    return None
