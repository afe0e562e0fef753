"""The `trainer:` section: how long, how large the steps are, when to evaluate, save and stop."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.checkpoint.options import CheckpointConfig, Checkpoints
from trainwright.config.choice import choice
from trainwright.config.durations import Duration, above_zero, time_above_zero
from trainwright.config.model import ConfigModel
from trainwright.engine.batch_options import BatchSize, LearningRateScaling, Pieces, TuningOptions
from trainwright.engine.growth_options import BatchGrowthOptions
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.mode_options import ModeOptions
from trainwright.engine.precision_options import Precision, PrecisionOptions
from trainwright.engine.recovery_options import RecoveryOptions
from trainwright.engine.sample_metrics_options import SampleMetrics
from trainwright.engine.sampling_options import Sampling
from trainwright.optim.average_options import EMA, SWAOptions
from trainwright.optim.parameter_options import Clipping, GradientHookOptions, ParameterOptions
from trainwright.parallel.strategies.options import Strategies, StrategyOptions


class EarlyStopping(ConfigModel):
    """Stop when the monitored metric has not improved for `patience` evaluations."""

    patience: int = Field(default=20, ge=1)
    """Evaluations without improvement before the run stops."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""


class EvaluationOptions(ConfigModel):
    """What is kept of evaluations, and written at the end."""

    history: Literal["all", "best", "none"] = "all"
    """Of which evaluations values per class and points of curves are kept, in `evaluations/step-N.npz`."""
    report: bool = True
    """Write report.html."""


class TrainerConfig(ConfigModel):
    """How long, how large the steps are, when to evaluate, save and stop."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("max_epochs", "max_steps"),)

    max_epochs: int | None = Field(default=None, ge=1)
    """Passes over the training rows. At most one of max_epochs and max_steps may be given."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer updates."""
    max_time: Duration | None = None
    """Wall time, checked at step boundaries; may be combined with either."""
    batch_size: BatchSize = None
    """Samples per step; `null` picks one from the number of training rows, `auto` measures which is fastest."""
    micro_batch_size: Pieces = None
    """Samples per forward and backward pass; the batch is split into pieces of this size; `auto` measures what fits."""
    accumulation: Pieces = None
    """Micro-batches per step: batch_size = micro_batch_size × accumulation; what is left open follows from the others."""
    max_batch_size: int | None = Field(default=None, ge=1)
    """The largest batch that `auto` may choose."""
    batch_growth: BatchGrowthOptions | None = None
    """A larger batch once a metric has stopped improving."""
    tuning: TuningOptions = TuningOptions()
    """How long and how finely what is `auto` is measured before the first step."""
    loader: LoaderOptions = LoaderOptions()
    """Processes that read and decode rows ahead of the training."""
    limit_batches: int | None = Field(default=None, ge=1)
    """Only the rows of the first so many batches of each split are used, to try a configuration out; `null` uses all."""
    evaluation_batch_size: int | None = Field(default=None, ge=1)
    """Samples per forward pass when nothing is learned; `null`: 4096 in memory, and of others, such as files, a micro-batch."""
    evaluate_every: Duration = Duration.parse("1 epoch")
    """How often validation runs (`2 epochs`, `500 steps`, `30 s`, `0.1 run`)."""
    log_every: Duration = Duration.parse("50 steps")
    """How often the running loss is read from the device and logged."""
    monitor: str = "auto"
    """The validation metric that picks the best checkpoint and stops early: `loss`, `accuracy`, or `target.metric`."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the monitored metric is better when smaller or larger; `auto` knows it from the metric."""
    early_stopping: EarlyStopping | None = EarlyStopping()
    """`null` switches it off."""
    optimizer: choice("optimizer") = Field(default="adamw", validate_default=True)  # type: ignore[valid-type]
    """What turns gradients into updates, with its learning rate."""
    learning_rate_scaling: LearningRateScaling = LearningRateScaling()
    """How the learning rate follows the size of a step."""
    schedule: choice("schedule") = Field(default="constant", validate_default=True)  # type: ignore[valid-type]
    """How the learning rate changes over the run."""
    parameters: ParameterOptions = ParameterOptions()
    """Parameters with settings of their own, and such as are frozen for a while or for good."""
    clip: Clipping = Clipping()
    """Limits on the gradient."""
    gradient_hooks: list[GradientHookOptions] = []
    """What is done to some gradients before clipping."""
    ema: EMA | None = None
    """Moving averages of the weights: a decay, several, or a mapping; the first is what evaluations use and what is kept."""
    swa: SWAOptions | None = None
    """An equal average of the weights late in the run (stochastic weight averaging)."""
    average_best: int = Field(default=1, ge=1)
    """At the end the weights of so many best evaluations are averaged, and kept where the validation split finds them better."""
    precision: Precision = PrecisionOptions()
    """The number format of the forward pass: `fp32`, `tf32`, `bf16` or `fp16`, or a mapping with `type`."""
    modes: ModeOptions = ModeOptions()
    """Compilation, memory formats, activation checkpointing, determinism and the like, for as long as the run lasts."""
    checkpoint: Checkpoints = CheckpointConfig()
    """When checkpoints are written and which are kept; `weights` keeps weights alone, `none` nothing."""
    callbacks: list[choice("callback")] = []  # type: ignore[valid-type]
    """Optional behaviour: `learning_rate_monitor`, `profiler`, … or a class of your own by its path."""
    trackers: list[choice("tracker")] = Field(default=["csv", "tensorboard"], validate_default=True)  # type: ignore[valid-type]
    """Where metrics are written."""
    strategy: Strategies = StrategyOptions()
    """How a step runs over the processes of a run: `ddp` and others by name, or a mapping with `type`."""
    recovery: RecoveryOptions = RecoveryOptions()
    """What is done about numbers that are not finite, memory that runs out, losses that jump, steps that hang."""
    progress: Literal["auto", "plain", "file", "none"] = "auto"
    """`auto` is a live line on a terminal; `plain` a line an evaluation, which leaves the terminal to a debugger; `none` is silent.

    `file` writes progress.json in the run instead, for a program that looks on: standard output has the exported files alone, at the end.
    """
    sampling: Sampling | None = None
    """What `sample` of the system makes at an interval, to be looked at: `500 steps`, or a mapping with `every` and `n`."""
    sample_metrics: SampleMetrics | None = None
    """Measures samples beside the rows of a split (FID, KID and others): names, or a mapping with `metrics`, `n`, `features`."""
    sanity_check: int = Field(default=1, ge=0)
    """Batches of the validation split that are tried before the first step, so that a mistake there is met early; 0 for none."""

    _max_time = field_validator("max_time")(time_above_zero)
    _intervals = field_validator("evaluate_every", "log_every")(above_zero)
