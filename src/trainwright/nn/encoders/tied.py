"""One encoder for several columns."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup


def one_column(group: InputGroup) -> InputGroup:
    """The first column of a group, as a group of its own."""
    extras = {key: value[:1] if key == "quantiles" else value for key, value in group.extras.items()}
    parts = {part: (1, *shape[1:]) for part, shape in group.parts.items()}
    return replace(group, columns=group.columns[:1], parts=parts, sizes=group.sizes[:1], extras=extras)


class Tied(nn.Module):
    """Applies the encoder of one column to every column of a group: `[b, f, …]` → `[b, f · tokens, width]`."""

    def __init__(self, encoder: nn.Module, columns: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokens, self.width = columns * int(encoder.tokens), int(encoder.width)  # type: ignore[arg-type]

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b t w"]:
        rows = next(iter(parts.values())).shape[0]
        folded = {part: values.flatten(0, 1).unsqueeze(1) for part, values in parts.items()}
        return self.encoder(folded).reshape(rows, self.tokens, self.width)
