"""Options of hooks on modules: which modules, when, and what is done."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import ConfigModel, as_refusal
from trainwright.config.name_patterns import Patterns

Statistic = Literal["mean", "std", "min", "max", "zeros"]
STATISTICS: list[Statistic] = ["mean", "std", "min", "max", "zeros"]
DOES = ("record", "replace", "plot")


class ModuleHookOptions(ConfigModel):
    """Something done whenever some modules run forward or backward."""

    modules: Patterns
    """Modules by dotted name (`encoder.*`; `*` crosses dots; `.` is the whole model), by class (`Linear`), or `re:` and an expression."""
    on: Literal["forward", "forward_pre", "backward", "backward_pre"] = "forward"
    """After forward (its output), before it (its inputs), after backward (gradients of the inputs), before it (those of the output)."""
    do: str
    """`record` numbers, `replace` what passes, `plot` histograms, or your own hook with torch's arguments: `./own.py:name`."""
    function: str | None = None
    """For `replace`: your own, `./own.py:name`, called as f(name of the module, value); what it returns goes on in its place."""
    statistics: list[Statistic] = Field(default=STATISTICS, min_length=1)
    """For `record`: what is measured of every floating tensor; `zeros` is the fraction of elements that are exactly 0."""
    keep: bool = False
    """For `record`: keep the last value of each module, detached, to be read in code."""
    every: int = Field(default=1, ge=1)
    """For `record` and `plot`: only at each so many steps of the run, from step 0 (of calls of the module, where there is no run)."""
    during: Literal["training", "evaluation", "always"] = "training"
    """In which mode of the module the hook works."""

    @model_validator(mode="after")
    def _fits_together(self) -> ModuleHookOptions:
        if self.do not in DOES and ":" not in self.do and "." not in self.do:
            raise as_refusal(ConfigError(f"a hook cannot '{self.do}'", fix=f"{did_you_mean(self.do, DOES)}, or your own, ./own.py:name"))
        if (self.do == "replace") != (self.function is not None):
            fix = "write do: replace with function: ./own.py:name, called as f(name, value)"
            raise as_refusal(ConfigError("replace and function go together", fix=fix))
        return self
