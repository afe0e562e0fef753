"""The configuration of a Hugging Face model beside its weights, so that `from_pretrained(RUN/model)` finds both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from trainwright.files.text import write_text

FILES = {"config": "config.json", "generation_config": "generation_config.json"}
"""Attribute of a model → the file that transformers reads it from."""


def is_pretrained(model: nn.Module) -> bool:
    """Whether a model is one of transformers'. Imports nothing."""
    return any(each.__name__ == "PreTrainedModel" and each.__module__.partition(".")[0] == "transformers" for each in type(model).__mro__)


def write_foreign_config(folder: Path, model: nn.Module) -> None:
    """Write config.json, and generation_config.json where there is one, for a model of transformers; nothing for another."""
    if not is_pretrained(model):
        return
    for attribute, name in FILES.items():
        config: Any = getattr(model, attribute, None)
        if config is None:
            continue
        values = json.loads(config.to_json_string())
        if attribute == "config":
            values["architectures"] = [type(model).__name__]
        write_text(folder / name, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
