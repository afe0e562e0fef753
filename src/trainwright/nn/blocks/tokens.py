"""What blocks over tokens `[b, *d, w]` are given, looked at before a layer inside them fails over it."""

from __future__ import annotations

from torch import Tensor, nn

from trainwright.config.errors import ConfigError


def check_tokens(x: Tensor, width: int, block: nn.Module, dims: int | None = None) -> None:
    """Raises ConfigError unless `x` is tokens of this width, channels last, of this many axes where `dims` says it.

    Compares sizes alone, which costs nothing beside the block and breaks no graph of torch's compiler.
    """
    if x.shape[-1] == width and (dims is None or x.dim() == dims + 2):
        return
    axes = "length" if dims == 1 else "…" if dims is None else ", ".join(f"axis {number + 1}" for number in range(dims))
    why = f"tokens are (rows, {axes}, {width}), channels last"
    raise ConfigError(f"{type(block).__name__} of width {width} cannot take shape {tuple(x.shape)}", why=why, fix=_way_out(x, width, dims))


def _way_out(x: Tensor, width: int, dims: int | None) -> str:
    if x.shape[-1] == width and dims is not None:
        return f"give {dims + 2} dimensions, not {x.dim()}"
    if x.dim() > 2 and x.shape[1] == width:
        return "move the channels to the end: x.movedim(1, -1)"
    return f"move the channels to the end, or use width: {x.shape[-1]}"
