"""Which communication hook gradients go through, with its options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainwright.config.model import ConfigModel


class HookOptions(ConfigModel):
    """What is done to gradients on their way between processes."""

    type: str
    """`fp16` or `bf16`: half as many bytes. `powersgd`: of each matrix a product of two narrow ones (Vogels et al. 2019).

    Else the path of a function of your own, f(state, bucket) as torch has it: a future of the mean over all processes."""
    rank: int = Field(default=1, ge=1)
    """Of `powersgd`: columns of the narrow matrices."""
    start_step: int = Field(default=1000, ge=2)
    """Of `powersgd`: steps before which gradients go as they are."""
    least_saving: float = Field(default=2.0, gt=0)
    """Of `powersgd`: a matrix goes as it is where less than so many times fewer values would be sent."""
    state: Literal["none", "group"] = "group"
    """Of a function of your own: what it is given as state, the group of processes or nothing."""


def _by_name(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Hooks = Annotated[HookOptions, BeforeValidator(_by_name, json_schema_input_type=str | HookOptions)]
"""A name or path, or a mapping with `type`."""
