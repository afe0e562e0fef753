"""What `trainwright sample` and `run.sample` are told of a diffusion model. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trainwright.config.choice import choice, choose
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.config.places import Place
from trainwright.config.reading import literal
from trainwright.domains.diffusion.options import Positive
from trainwright.domains.diffusion.samplers import spread_joined

GUIDING = ("guidance_interval", "guidance_rescale", "guidance_rule", "weaker")
"""Options that mean something only where a scale of guidance is given."""
ClassName = str | int | float | bool


def _as_names(value: Any) -> Any:
    """One name as a list of it; `cat,dog` as two."""
    if isinstance(value, str):
        return [literal(each, Place("value")).plain() for each in value.split(",")]
    return [value] if isinstance(value, int | float) else value


def _as_schedule(value: Any) -> Any:
    """Levels as numbers; anything else names a schedule."""
    if not isinstance(value, list | tuple):
        return choose("sigma_schedule", value)
    wrong = next((each for each in value if isinstance(each, bool) or not isinstance(each, int | float)), None)
    if wrong is not None or len(value) < 2:
        few = "one level of noise makes no step" if value else "there is no level of noise"
        what = few if wrong is None else f"{wrong!r} is no level of noise"
        raise as_refusal(ConfigError(what, fix="give two levels or more, falling, the last of them 0: [80, 10, 1, 0]"))
    return [float(each) for each in value]


class SampleOptions(PartConfig):
    """How samples of a diffusion model are drawn; what is not said is as `system` of its configuration has it."""

    type: str = "diffusion"
    sampler: choice("sampler") | None = Field(default=None, json_schema_extra={"metavar": "NAME"})  # type: ignore[valid-type]
    """How the noise is taken away: see `trainwright list sampler`; `{type: euler, s_churn: 40}` with options."""
    steps: int | None = Field(default=None, ge=1)
    """In how many steps."""
    sigmas: Annotated[Any, BeforeValidator(_as_schedule)] = Field(default=None, json_schema_extra={"metavar": "NAME"})
    """Which levels of noise they go through: see `trainwright list sigma_schedule`; or the levels themselves, `[80, 10, 1, 0]`."""
    sigma_min: Positive | None = None
    """The least noise before none."""
    sigma_max: Positive | None = None
    """The noise that it begins with."""
    class_: ClassName | None = Field(default=None, json_schema_extra={"metavar": "NAME"})
    """The class of all samples, by its name or number; default: each class in turn."""
    labels: Annotated[list[ClassName], BeforeValidator(_as_names)] | None = Field(default=None, json_schema_extra={"metavar": "NAMES"})
    """The class of each sample, in turn: `0,1,7`."""
    condition: Any = Field(default=None, json_schema_extra={"metavar": "ROW"})
    """Columns that say which one is made: `{age: 40, sex: male}`, or a file with a row for each sample, in turn; the class may be one."""
    unconditional: bool = False
    """Tell the network nothing of what is to be made."""
    guidance: float | None = Field(default=None, ge=0, json_schema_extra={"metavar": "W"})
    """How strongly samples follow their condition: u + W · (c − u), 1 as the model learnt it (Ho and Salimans 2022)."""
    guidance_interval: Annotated[list[float], BeforeValidator(_as_names), Field(min_length=2, max_length=2)] | None = Field(
        default=None, json_schema_extra={"metavar": "LOW,HIGH"}
    )
    """The levels of noise, (low, high], at which it is guided (Kynkäänniemi et al. 2024); default: all."""
    guidance_rescale: float = Field(default=0.0, ge=0, le=1)
    """How much of the contrast that guidance adds is taken back (Lin et al. 2024)."""
    guidance_rule: Literal["linear", "apg", "zero_star"] = "linear"
    """How the two answers are joined: `linear`, `apg` (Sadat et al. 2024: large W saturate less), `zero_star` (Fan et al. 2025: flows)."""
    weaker: str = Field(default="", json_schema_extra={"metavar": "RUN"})
    """Guide away from a worse model of the same data, a run or a checkpoint, in place of from what is made where nothing is told
    (autoguidance, Karras et al. 2024)."""
    threshold: float = Field(default=0.0, ge=0, le=1, json_schema_extra={"metavar": "Q"})
    """Dynamic thresholding of pictures (Saharia et al. 2022): the quantile of |x| that becomes black and white, 0.995; 0 for none."""
    init: Any = Field(default=None, json_schema_extra={"metavar": "FILE"})
    """What it begins with in place of noise alone: a picture or a recording, or a folder or table of them, in turn."""
    strength: float = Field(default=0.6, gt=0, le=1)
    """With `init`: the share of the steps that are done, so how much of it is made anew."""

    mask: Any = Field(default=None, json_schema_extra={"metavar": "FILE"})
    """With `init`: where it is made anew (1, white) and where it is kept (0, black): a picture, `.npy`, in Python an array. Without
    `strength` that place begins with noise alone."""

    @model_validator(mode="before")
    @classmethod
    def _sampler_may_say_its_levels(cls, given: Any) -> Any:
        return spread_joined(given)

    @model_validator(mode="after")
    def _only_one_says_which(self) -> Self:
        given = [name for name in ("class_", "labels", "unconditional") if getattr(self, name) not in (None, False)]
        if len(given) > 1:
            raise as_refusal(ConfigError(f"{' and '.join(each.rstrip('_') for each in given)} are both given", fix="keep one of them"))
        if self.unconditional and self.condition is not None:
            raise as_refusal(ConfigError("unconditional and condition are both given", fix="keep one of them"))
        if self.labels is not None and not self.labels:
            raise as_refusal(ConfigError("labels are empty", fix="name a class for each sample: 0,1,7"))
        without = [name for name in GUIDING if name in self.model_fields_set and self.guidance is None]
        if without:
            named = without[0].replace("_", "-")
            raise as_refusal(ConfigError(f"{named} says how it is guided, and guidance is not given", fix="give both: guidance 2.5"))
        if self.mask is not None and self.init is None:
            what = "mask says what of `init` is made anew, and there is none"
            raise as_refusal(ConfigError(what, fix="--init FILE, or leave mask out"))
        if "strength" in self.model_fields_set and self.init is None:
            what = "strength says how much of `init` is made anew, and there is none"
            raise as_refusal(ConfigError(what, fix="--init FILE, or leave strength out"))
        return self
