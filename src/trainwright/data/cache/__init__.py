"""Decoded samples that are kept: the options. Imports neither torch nor numpy."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, refusal
from trainwright.config.sizes import Bytes

PERCENT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*")
Share = Annotated[float, Field(gt=0, le=0.9)]
Percentage = Annotated[str, Field(pattern=rf"^{PERCENT.pattern}$")]


def parse_share(value: Any) -> Any:
    """A share as a number: `25%` is 0.25. Raises ConfigError for text that is none."""
    if not isinstance(value, str):
        return value
    found = PERCENT.fullmatch(value)
    if found is not None:
        return float(found[1]) / 100
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"{value!r} is not a share", fix="write a percentage, such as 25%, or a number from 0 to 1") from None


def word_of_truth(value: Any) -> Any:
    """YAML reads `off` and `on` as truth values, which are words here."""
    return {True: "auto", False: "off"}[value] if isinstance(value, bool) else value


class CachedData(PartConfig):
    """What is set for samples that are kept once they were decoded."""

    cache: Annotated[Literal["auto", "memory", "disk", "off"], BeforeValidator(word_of_truth)] = "auto"
    """Where samples are kept once decoded; `auto`: those of files that must be decoded, in memory, then on disk; `memory`, `disk`: any."""
    cache_memory: Annotated[Share, BeforeValidator(refusal(parse_share), json_schema_input_type=Share | Percentage)] = 0.25
    """The share of this machine's memory (of its container's limit) that kept samples may take: `25%`."""
    cache_limit: Bytes = Bytes.parse("20 GiB")
    """What all samples that are kept on disk may take together; those of the data that were not read for longest are removed first."""
