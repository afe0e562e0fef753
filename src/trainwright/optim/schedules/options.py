"""Options of the schedules. A schedule multiplies the base learning rate; what it reaches is given as a share of it or as a rate."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from trainwright.config.choice import choice
from trainwright.config.durations import Duration, above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.config.model import ConfigModel, PartConfig, as_refusal, refusal

NONE = Duration(0, "steps")


class NoiseOptions(ConfigModel):
    """Normal noise on the learning rate, drawn anew whenever it changes, as a share of it (timm's `lr_noise`)."""

    begin: Duration = NONE
    """From when on."""
    end: Duration | None = None
    """Until when; without it, to the end of the run."""
    limit: float = Field(default=0.67, gt=0, lt=1)
    """What lies beyond this share is drawn again."""
    std: float = Field(default=1.0, gt=0)
    """Deviation of the noise before it is limited."""
    seed: int = Field(default=42, ge=0)
    """Seed of the draw of epoch or step 0; each later one has one more."""


class ScheduleOptions(PartConfig):
    """What every schedule has: how the learning rate rises before the schedule begins, and how often it changes."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("warmup_from", "warmup_learning_rate"),)
    other_words: ClassVar[dict[str, str]] = {"warmup_lr": "warmup_learning_rate"}

    warmup: Duration = NONE
    """Rise before the schedule begins (`100 steps`, `1 epoch`, `0.05 run`); the schedule takes the steps that are left."""
    warmup_from: float | None = Field(default=None, ge=0, le=1)
    """Share of the base learning rate at step 0 of the warm-up. Without it the rise is step + 1 parts of warm-up + 1, so never 0."""
    warmup_learning_rate: float | None = Field(default=None, ge=0)
    """The same as a rate, for example 1e-5."""
    warmup_shape: Literal["linear", "exponential"] = "linear"
    """Equal differences, or equal ratios, from step to step of the warm-up."""
    warmup_prefix: bool = True
    """Whether the schedule begins after the warm-up; `false`: it begins with the run, and the warm-up leads into it (timm's default)."""
    warmup_decay: float = Field(default=0.0, ge=0, lt=1)
    """Multiply all by 1 − warmup_decay^(step + 1): a warm-up that fades (0.99 takes some 500 steps), for the whole run."""
    per: Literal["step", "epoch"] = "step"
    """Whether the learning rate changes at every step, or keeps within an epoch the value its first step has."""
    noise: NoiseOptions | None = None
    """Noise on the learning rate: `{begin: 0.4 run, limit: 0.67}`."""

    @model_validator(mode="after")
    def _warmup_is_one(self) -> ScheduleOptions:
        starts = self.warmup_from is not None or self.warmup_learning_rate is not None
        if not self.warmup.value and (starts or self.warmup_shape != "linear"):
            given = "where the warm-up starts" if starts else "the shape of the warm-up"
            raise as_refusal(ConfigError(f"{given} is given, but no warm-up", fix="give its length: warmup: 500 steps"))
        if self.warmup_shape == "exponential" and 0 in (self.warmup_from, self.warmup_learning_rate):
            raise as_refusal(ConfigError("an exponential warm-up cannot start at 0", fix="give a small rate, or warmup_shape: linear"))
        return self


class FlooredOptions(ScheduleOptions):
    """A schedule that does not fall below a floor."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (*ScheduleOptions.alternatives, ("floor", "min_learning_rate"))
    other_words: ClassVar[dict[str, str]] = {**ScheduleOptions.other_words, "min_lr": "min_learning_rate", "lr_min": "min_learning_rate"}

    floor: float | None = Field(default=None, ge=0, le=1)
    """Share of the base learning rate below which it does not fall (default 0)."""
    min_learning_rate: float | None = Field(default=None, ge=0)
    """The same as a rate, for example 1e-6."""


class FallingOptions(FlooredOptions):
    """A schedule that reaches its floor after a time."""

    length: Duration | None = None
    """How long the fall takes after the warm-up; the floor stays after it. Without it, all that is left of the run."""

    _length = field_validator("length")(above_zero)


class ConstantOptions(ScheduleOptions):
    """One learning rate throughout, after a warm-up on request."""

    type: str = "constant"
    level: float = Field(default=1.0, ge=0, le=1)
    """Share of the base learning rate."""


class LinearOptions(FallingOptions):
    """A straight line from the base learning rate to the floor."""

    type: str = "linear"


class CyclicOptions(FallingOptions):
    """A schedule that falls once, or on request several times."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (*FallingOptions.alternatives, ("cycle", "length"))
    other_words: ClassVar[dict[str, str]] = {
        **FallingOptions.other_words,
        "cycle_limit": "cycles",
        "cycle_mul": "cycle_growth",
        "cycle_decay": "cycle_peak",
    }

    cycles: int | None = Field(default=None, ge=1)
    """How many times it falls and starts again; they fill the length (default 1), or follow each other when `cycle` is given."""
    cycle: Duration | None = None
    """Length of the first cycle; cycles follow to the end of the run, or until there were `cycles`."""
    cycle_growth: float = Field(default=1.0, ge=1)
    """Length of each cycle over that of the one before."""
    cycle_peak: float = Field(default=1.0, gt=0, le=1)
    """Start of each cycle over that of the one before."""
    k_decay: float = Field(default=1.0, gt=0)
    """Power of the share of a cycle that is over: above 1 it stays high for longer (Zhang and Li 2020, k-decay)."""

    _cycle = field_validator("cycle")(above_zero)


class PolynomialOptions(CyclicOptions):
    """(1 − t/T)^power of the way from the base learning rate to the floor."""

    type: str = "polynomial"
    power: float = Field(default=2.0, gt=0)
    """1 is a straight line; above 1 falls early, below 1 falls late."""


class CosineOptions(CyclicOptions):
    """Half a cosine from the base learning rate to the floor, on request several times (Loshchilov and Hutter 2017)."""

    type: str = "cosine"


class TanhOptions(CyclicOptions):
    """A hyperbolic tangent from the base learning rate to the floor: high for long, then a steep fall (Hsueh et al. 2019)."""

    type: str = "tanh"
    lower: float = -7.0
    """Where on the tangent it begins; it is at the base learning rate only as far as tanh is at −1 there."""
    upper: float = 3.0
    """Where it ends."""
    other_words: ClassVar[dict[str, str]] = {**CyclicOptions.other_words, "lb": "lower", "ub": "upper"}

    @model_validator(mode="after")
    def _rises(self) -> TanhOptions:
        if self.lower >= self.upper:
            raise as_refusal(ConfigError(f"lower is {self.lower:g} and upper {self.upper:g}", fix="lower is the smaller one: -7 and 3"))
        return self


class StepOptions(FlooredOptions):
    """Multiplied by `factor` at every whole multiple of `every`."""

    type: str = "step"
    other_words: ClassVar[dict[str, str]] = {**FlooredOptions.other_words, "decay_rate": "factor"}
    every: Duration = Duration(30, "epochs")
    """How often the learning rate falls."""
    factor: float = Field(default=0.1, gt=0, le=1)
    """What it is multiplied by."""


class MultiStepOptions(FlooredOptions):
    """Multiplied by `factor` at each milestone."""

    type: str = "multi_step"
    other_words: ClassVar[dict[str, str]] = {**FlooredOptions.other_words, "decay_rate": "factor"}
    milestones: list[Duration] = Field(min_length=1)
    """Where it falls, counted from the start of the run (`[30 epochs, 60 epochs]`)."""
    factor: float = Field(default=0.1, gt=0, le=1)
    """What it is multiplied by."""


class ExponentialOptions(FlooredOptions):
    """factor^(t / every): the same ratio from step to step, and 1 at the start."""

    type: str = "exponential"
    factor: float = Field(default=0.1, gt=0, le=1)
    """What the learning rate is multiplied by over `every`."""
    every: Duration = Duration(1, "run")
    """How long it takes to fall by `factor`; `1 run` ends the run at `factor`."""

    _every = field_validator("every")(above_zero)


class InverseSqrtOptions(FlooredOptions):
    """√(T / (T + t)): falls with the square root of the step, from the full base learning rate (Vaswani and others 2017)."""

    type: str = "inverse_sqrt"
    timescale: Duration | None = None
    """T: after 3 T it is half. Without it, the warm-up's length, or an epoch where there is no warm-up."""

    _timescale = field_validator("timescale")(above_zero)


class InverseOptions(FlooredOptions):
    """(1 + t / inv_gamma)^−power, as k-diffusion's `InverseLR`; its warm-up is `warmup_decay`."""

    type: str = "inverse"
    inv_gamma: float = Field(default=1.0, gt=0)
    """Steps after which it is 2^−power."""
    power: float = Field(default=1.0, gt=0)
    """How steeply it falls."""


class OneCycleOptions(PartConfig):
    """Rises to the base learning rate and falls far below where it began (Smith and Topin 2018). The momentum is left as it is."""

    type: str = "one_cycle"
    rise: Duration = Duration(0.3, "run")
    """When the base learning rate is reached; in a run too short for the usual share, after the nearest number of steps that fits."""
    start: float = Field(default=0.04, gt=0, le=1)
    """Share of the base learning rate at step 0 (torch: 1 / div_factor)."""
    end: float = Field(default=4e-6, ge=0, le=1)
    """Share of the base learning rate at the last step (torch: 1 / div_factor / final_div_factor)."""
    shape: Literal["cosine", "linear"] = "cosine"
    """How it goes from one to the next."""
    three_phase: bool = False
    """Fall back to `start` in as many steps as the rise took, then to `end`."""
    per: Literal["step", "epoch"] = "step"
    """Whether the learning rate changes at every step, or keeps within an epoch the value its first step has."""

    _rise = field_validator("rise")(above_zero)


class WsdOptions(FlooredOptions):
    """Warm-up, then the base learning rate, then a fall to the floor at the end of the run (Hu and others 2024)."""

    type: str = "wsd"
    warmup: Duration = Duration(0.1, "run")
    """Rise at the start (`100 steps`, `1 epoch`, `0.05 run`)."""
    decay: Duration = Duration(0.1, "run")
    """Length of the fall at the end."""
    decay_shape: Literal["linear", "cosine", "sqrt"] = "linear"
    """How it falls; `sqrt` is 1 − √(share of the fall that is over) (Hägele and others 2024)."""

    _decay = field_validator("decay")(above_zero)


class LambdaOptions(ScheduleOptions):
    """What a function of your own returns for (step) or (step, epoch), counted after the warm-up."""

    type: str = "lambda"
    function: str
    """`package.module:name` or `./file.py:name`; it returns the multiplier, a finite number that is not negative."""

    _function = field_validator("function")(refusal(lambda path: found_at(path)[1]))  # a file is found from any folder later


class PlateauOptions(FlooredOptions):
    """Multiplied by `factor` when a metric has not improved for `patience` evaluations."""

    type: str = "plateau"
    other_words: ClassVar[dict[str, str]] = {**FlooredOptions.other_words, "decay_rate": "factor", "threshold": "min_delta"}
    metric: str | None = None
    """What is watched: `loss`, `accuracy`, `target.metric`, `train/loss`. Without it, the monitored metric (`trainer.monitor`)."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the metric is better when smaller or larger; `auto` knows it from the metric."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What the learning rate is multiplied by."""
    patience: int = Field(default=10, ge=1)
    """Evaluations without improvement before it falls."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""
    relative: bool = False
    """Take `min_delta` as a share of the best value."""
    cooldown: int = Field(default=0, ge=0)
    """Evaluations after a fall that are not counted."""
    times: int | None = Field(default=None, ge=1)
    """How many times it may fall; without it, until the floor."""

    @model_validator(mode="after")
    def _floor_is_reachable(self) -> PlateauOptions:
        if self.floor == 1:
            raise as_refusal(ConfigError("a floor of 1 leaves nothing to reduce", fix="give a floor below 1, or `constant`"))
        return self


class Stretch(ConfigModel):
    """One schedule of a chain and how long it lasts."""

    schedule: choice("schedule")  # type: ignore[valid-type]
    """What happens in it; its steps count from its own start, and `run` in its options is its own length."""
    lasts: Duration | None = None
    """How long; the last one takes what is left of the run."""

    _lasts = field_validator("lasts")(above_zero)


class ChainedOptions(PartConfig):
    """Schedules one after the other."""

    type: str = "chained"
    parts: list[Stretch] = Field(min_length=1)
    """`{schedule: …, lasts: 5 epochs}`, in their order."""

    @model_validator(mode="after")
    def _all_but_the_last_end(self) -> ChainedOptions:
        endless = next((index for index, part in enumerate(self.parts[:-1], start=1) if part.lasts is None), None)
        if endless:
            what = f"part {endless} of {len(self.parts)} does not say how long it lasts"
            raise as_refusal(ConfigError(what, why="only the last may take what is left of the run", fix="add `lasts: 5 epochs` to it"))
        return self


class ProductOptions(PartConfig):
    """Schedules multiplied with each other."""

    type: str = "product"
    parts: list[choice("schedule")] = Field(min_length=1)  # type: ignore[valid-type]
    """The schedules."""
