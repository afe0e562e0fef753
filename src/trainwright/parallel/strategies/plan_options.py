"""How a layer of a plan is split."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from trainwright.config.model import ConfigModel

Style = Literal["colwise", "rowwise", "sequence", "replicate"]


class LayerStyle(ConfigModel):
    """How the layers that a pattern names are split over the processes of one replica."""

    style: Style
    """`colwise`: by outputs. `rowwise`: by inputs. `sequence`: a layer that takes each position by itself, by positions (dimension 1).
    `replicate`: not at all."""
    input: Literal["auto", "whole", "split"] = "auto"
    """What comes in: `whole` tensors, or the parts that the layer before left `split`."""
    output: Literal["auto", "whole", "split"] = "auto"
    """What goes out. By itself a colwise layer leaves its outputs split where a rowwise one follows in the same module, and nothing between
    them has weights or draws at random; else what comes in and goes out is whole."""


def _by_name(value: Any) -> Any:
    return {"style": value} if isinstance(value, str) else value


Layer = Annotated[LayerStyle, BeforeValidator(_by_name, json_schema_input_type=Style | LayerStyle)]
"""A style, or a mapping with `style`."""
