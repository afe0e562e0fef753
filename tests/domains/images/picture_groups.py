"""Groups of pictures, for the tests of their encoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.config.choice import choose
from trainwright.features.spec import InputGroup
from trainwright.systems.parts import make_encoder


def pictures(side: int | tuple[int, int] = 32, channels: int = 3, columns: int = 1, *, missing: bool = False) -> InputGroup:
    height, width = (side, side) if isinstance(side, int) else side
    parts: dict[str, tuple[int, ...]] = {"value": (columns, channels, height, width)}
    parts |= {"missing": (columns,)} if missing else {}
    return InputGroup("image", "image", [f"photo{number}" for number in range(columns)], None, parts)


def encoder(name: str, group: InputGroup, **options: Any) -> Any:
    torch.manual_seed(0)
    return make_encoder(choose("encoder", {"type": name, **options}), group)


def drawn(group: InputGroup, rows: int = 3, seed: int = 0) -> dict[str, Tensor]:
    return {"value": torch.randn(rows, *group.parts["value"], generator=torch.Generator().manual_seed(seed))}
