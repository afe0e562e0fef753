"""Groups of recordings, for the tests of their encoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.features.spec import InputGroup
from trainwright.systems.parts import make_encoder


def waveforms(leads: int = 12, time: int = 250, *, differ: bool = False, missing: bool = False, rate: float = 100.0) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (1, leads, time)}
    return _group("signal", parts, differ, missing, rate)


def spectrograms(mels: int = 40, frames: int = 100, channels: int = 1, *, differ: bool = False) -> InputGroup:
    return _group("audio", {"value": (1, channels, mels, frames)}, differ, False, 16_000.0)


def _group(kind: str, parts: dict[str, tuple[int, ...]], differ: bool, missing: bool, rate: float) -> InputGroup:
    parts |= {"length": (1,)} if differ else {}
    parts |= {"missing": (1,)} if missing else {}
    return InputGroup("signal", kind, ["wave"], None, parts, extras={"rate": rate}, time_last=True)


def encoder(name: str, group: InputGroup, **options: Any) -> Any:
    torch.manual_seed(0)
    return make_encoder(choose("encoder", {"type": name, **options}), group)


def drawn(group: InputGroup, rows: int = 3, seed: int = 0) -> dict[str, Tensor]:
    return {"value": torch.randn(rows, *group.parts["value"], generator=torch.Generator().manual_seed(seed))}


def count(encoder: nn.Module, classes: int) -> int:
    """Parameters of an encoder and a linear decoder."""
    inputs: int = encoder.tokens * encoder.width  # type: ignore[operator, assignment]
    return sum(each.numel() for each in [*encoder.parameters(), *nn.Linear(inputs, classes).parameters()])
