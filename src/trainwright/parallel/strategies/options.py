"""The `trainer.strategy:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from trainwright.config.model import ConfigModel

Kind = Literal["auto", "single", "ddp"]


class StrategyOptions(ConfigModel):
    """How a step runs over the processes of a run; the run is the same for each."""

    type: Kind = "auto"
    """`auto`: `single` for one process, `ddp` for several. `ddp`: every process holds the whole model, and gradients are summed."""
    reduce: Literal["fast", "ordered"] = "fast"
    """`fast`: gradients are summed in one exchange, in an order of its own. `ordered`: they are added piece by piece in the order of rows,
    so that every number of processes gives the same bits, for an exchange of all pieces."""


def _by_name(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Strategies = Annotated[StrategyOptions, BeforeValidator(_by_name)]
"""A name, or a mapping with `type`."""
