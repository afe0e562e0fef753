"""The `trainer.ema:` and `trainer.swa:` sections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trainwright.config.durations import Duration, above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal

DecayRate = Annotated[float, Field(ge=0, le=1)]


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


Decays = Annotated[list[DecayRate], BeforeValidator(_one_or_several, json_schema_input_type=DecayRate | list[DecayRate])]
Width = Annotated[float, Field(gt=0, le=0.28)]
Widths = Annotated[list[Width], BeforeValidator(_one_or_several, json_schema_input_type=Width | list[Width])]


class AverageWarmup(ConfigModel):
    """Growth of the decay: 1 − (1 + t / inv_gamma)^−power after `t` updates of the average, never above `decay`."""

    inv_gamma: float = Field(default=1.0, gt=0)
    """Updates after which the growth sets in; larger is faster forgetting for longer."""
    power: float = Field(default=2 / 3, gt=0)
    """2/3 reaches 0.999 at 31.6 thousand updates, 3/4 at 10 thousand, 1 at one thousand."""
    min_value: float = Field(default=0.0, ge=0, le=1)
    """The decay is never below this."""
    max_value: float = Field(default=1.0, ge=0, le=1)
    """The decay is never above this (nor above `decay`)."""
    start_at: int = Field(default=0, ge=0)
    """Updates before the decay grows; until then it is `min_value`, and with 0 the average is a copy of the weights."""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> AverageWarmup:
        if self.min_value > self.max_value:
            raise as_refusal(
                ConfigError(f"min_value {self.min_value} is above max_value {self.max_value}", fix="lower min_value, or raise max_value")
            )
        return self


def _on_or_off(value: Any) -> Any:
    return {} if value is True else None if value is False else value


Warmup = Annotated[AverageWarmup | None, BeforeValidator(_on_or_off, json_schema_input_type=bool | AverageWarmup | None)]


class EMAOptions(ConfigModel):
    """Exponential moving averages of the weights, evaluated and shipped in place of the trained ones."""

    decay: Decays = [0.999]
    """Share of the average kept at an update; several give several averages, the first of which is evaluated."""
    warmup: Warmup = AverageWarmup()
    """Begin with small decays, so that the untrained weights are soon forgotten; `false` starts from them with the full decay."""
    sigma_rel: Widths = []
    """Relative widths of averages by a power of time, beside those by `decay`, such as [0.05, 0.1]: from these in checkpoints that stay
    (`checkpoint.keep_every`) an average of any width is made after training, `--weights sigma_rel=0.07` (Karras et al. 2024)."""
    every: int = Field(default=1, ge=1)
    """Steps between two updates; the decay is per update."""
    evaluate: bool = True
    """Evaluations, and with them the best weights and the model, use the average; `false` only keeps it in the checkpoints."""
    choose: Literal["first", "best"] = "first"
    """At the end keep the first average, or the best on the validation rows of all averages and the trained weights."""
    dtype: Literal["auto", "float32", "float64"] = "auto"
    """Number format of the average; `auto` is that of the weights, and float32 for half precision, where small changes would be lost."""

    @field_validator("decay")
    @classmethod
    def _decays_differ(cls, value: list[float]) -> list[float]:
        if not value:
            raise as_refusal(ConfigError("there is no decay", fix="give one or several, for example 0.999; or leave out `ema`"))
        return _each_once(value, "decay")

    @field_validator("sigma_rel")
    @classmethod
    def _widths_differ(cls, value: list[float]) -> list[float]:
        return _each_once(value, "width")


def _each_once(value: list[float], what: str) -> list[float]:
    twice = [each for each in value if value.count(each) > 1]
    if twice:
        raise as_refusal(ConfigError(f"the {what} {twice[0]} is given {value.count(twice[0])} times", fix=f"give every {what} once"))
    return value


class SWAOptions(ConfigModel):
    """Stochastic weight averaging (Izmailov et al. 2018): the equal average of the weights at some moments late in the run."""

    start: Duration = Duration.parse("0.75 run")
    """The first moment, counted from the beginning of the run."""
    every: Duration = Duration.parse("1 epoch")
    """Between two moments."""
    refresh: int = Field(default=100, ge=0)
    """Training batches from which the statistics of batch norms are estimated anew for the average; 0 keeps those of the last weights."""
    choose: Literal["best", "always"] = "best"
    """At the end keep the average if it is better on the validation rows than what is kept otherwise, or `always`."""

    @field_validator("start", "every")
    @classmethod
    def _counts_steps(cls, value: Duration) -> Duration:
        if value.kind == "time":
            raise as_refusal(
                ConfigError(f"'{value}' is a time; steps or epochs are needed here", fix="write for example '500 steps' or '0.75 run'")
            )
        return value

    _every = field_validator("every")(above_zero)


def _by_decay(value: Any) -> Any:
    return {"decay": value} if isinstance(value, int | float | list) and not isinstance(value, bool) else value


EMA = Annotated[EMAOptions, BeforeValidator(_by_decay, json_schema_input_type=float | list[float] | EMAOptions)]
"""A decay, several decays, or a mapping."""
