"""Options of the callbacks that a configuration can name; no torch is imported."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from trainwright.config.choice import choice
from trainwright.config.durations import Duration, above_zero
from trainwright.config.foreign import found_at
from trainwright.config.model import PartConfig, refusal
from trainwright.config.name_patterns import Patterns

_absolute = refusal(lambda path: found_at(path)[1])


class LearningRateMonitorOptions(PartConfig):
    """Logs the learning rate of every parameter group as `learning_rate/<group>`."""

    type: str = "learning_rate_monitor"
    momentum: bool = False
    """Log the momentum of every group too (the first beta of Adam and its kin)."""
    weight_decay: bool = False
    """Log the weight decay of every group too."""


class DeviceStatsOptions(PartConfig):
    """Logs what the process and its card use, read when a row is logged."""

    type: str = "device_stats"
    cpu: bool = True
    """Processor time of this process and of the machine in percent (100 is one core), and memory of this process in MiB."""
    accelerator: bool = True
    """Memory of the card in MiB (allocated, reserved, and the peak since the last row), and how busy it is where its driver tells."""


class GradientNoiseOptions(PartConfig):
    """Logs the simple noise scale (McCandlish et al. 2018): the batch size, in items, about which larger batches stop saving steps.

    It compares the gradients of the micro-batches of a step with the whole gradient, so a step needs at least two. A measured step keeps
    one more copy of the gradient.
    """

    type: str = "gradient_noise"
    every: int = Field(default=10, ge=1)
    """Steps between two that are measured."""
    decay: float = Field(default=0.95, ge=0, lt=1)
    """What the running means of the two estimates keep at a measured step: single estimates are very noisy."""


class ThroughputOptions(PartConfig):
    """Logs steps per second, items of work per second (FLOP/s), and their share of what the device can do (MFU).

    One step is counted operation by operation, slower than the others; its updates are the same. What a compiled or hand-written kernel
    does inside is not seen. The host waits for the device when a row is logged.
    """

    type: str = "throughput"
    flops: bool = True
    """Count the floating-point operations of one step; without it steps per second only."""
    peak: float | None = Field(default=None, gt=0)
    """FLOP/s the device can do at the precision of the run, where it is not in the table of known ones."""


class DeadUnitsOptions(PartConfig):
    """Logs for every ReLU-like module the share of its units that were zero on every training row since the last logged row."""

    type: str = "dead_units"
    every: int = Field(default=1, ge=1)
    """Steps between two that are looked at."""


class GradientFlowOptions(PartConfig):
    """Logs by module the norm of the gradient and the size of the update relative to the weights, at logged steps only."""

    type: str = "gradient_flow"
    depth: int = Field(default=2, ge=1)
    """How many parts of a parameter's name say which module it is counted with: `model.0.weight` is in `model.0` at depth 2."""
    updates: bool = True
    """Measure ‖new weights − old weights‖ / ‖old weights‖ too, which needs a copy of the weights at logged steps."""


class HistogramsOptions(PartConfig):
    """Gives trackers that take them the distributions of weights and gradients, at evaluations."""

    type: str = "histograms"
    every: int = Field(default=1, ge=1)
    """Evaluations between two that are given."""
    gradients: bool = True
    """Of the gradients too, clipped as they are used."""
    parameters: Patterns = []
    """Name patterns of the parameters, or of modules they are in (`encoders`, `*.bias`); none stands for all."""
    bins: int = Field(default=30, ge=2, le=500)
    """Pieces of equal width between the least and the largest value."""
    most: int = Field(default=100_000, ge=100)
    """Values of one tensor that are looked at; of a larger one so many, evenly spaced, so that an evaluation costs milliseconds more."""


class SampleLoggerOptions(PartConfig):
    """Writes inputs and outputs of the first rows of an evaluation to `media/samples-step-<step>.json` or `.npz`."""

    type: str = "sample_logger"
    samples: int = Field(default=8, ge=1)
    """Rows of the validation split."""
    every: int = Field(default=1, ge=1)
    """Evaluations between two that are written."""
    format: Literal["json", "npz"] = "json"
    """`json` to be read by people; `npz` (NumPy) for images and other large rows."""


class TimerOptions(PartConfig):
    """Logs the seconds of the run so far by phase: training, evaluation, checkpoints, other. `trainer.max_time` ends a run by its time."""

    type: str = "timer"


class ProfilerOptions(PartConfig):
    """Runs torch.profiler over some steps and writes a table and a Chrome trace to `profile/`."""

    type: str = "profiler"
    first: int = Field(default=10, ge=1)
    """The first step that is profiled; steps are counted from 1."""
    last: int = Field(default=20, ge=1)
    """The last step that is profiled."""
    memory: bool = False
    """Record allocations."""
    shapes: bool = False
    """Record the shapes of arguments, and group the table by them."""
    stacks: bool = False
    """Record the line of Python that each operation comes from."""
    rows: int = Field(default=40, ge=1)
    """Rows of the table."""
    every_rank: bool = True
    """Whether every process of a run is profiled, or that of rank 0 alone."""

    @model_validator(mode="after")
    def _window(self) -> ProfilerOptions:
        if self.last < self.first:
            raise ValueError(f"last is {self.last}, before first ({self.first})")
        return self


class EventHandlersOptions(PartConfig):
    """Hands what happens in a run (start, save, evaluation, signal, …), a line each in `events.jsonl`, to handlers of one's own."""

    type: str = "events"
    handlers: list[str] = []
    """`console` for a line on standard error, or the path of a function of one event (a mapping), or of a class with `record(event)`."""
    recorded: list[str] = ["null", "console"]
    """Destinations of torch's elastic package: what code records there while the run goes on is an event of the run."""

    _found = field_validator("handlers")(lambda paths: [_absolute(each) if ":" in each else each for each in paths])


class MetricHandlersOptions(PartConfig):
    """Hands each logged number to a handler by its group, and what code puts with torch's `put_metric` meanwhile."""

    type: str = "metric_handlers"
    groups: dict[str, str] = {}
    """Group (`train`, `validation`, one of your own; `*` for all others) → `console`, `none`, or the path of a function of one value
    (timestamp, group_name, name, value), or of a class with `emit(value)`."""

    _found = field_validator("groups")(lambda groups: {group: _absolute(each) if ":" in each else each for group, each in groups.items()})


class QuantizationAwareOptions(PartConfig):
    """Trains dense layers as if their weights and inputs were rounded already, so that int8 and int4 cost less afterwards (by torchao).

    Only training steps round: validation, the best weights and the model of the run are float, and an export with int8 measures what
    is left. A step takes longer.
    """

    type: str = "quantization_aware"
    weights: Literal["int8", "int4"] = "int8"
    """What weights are rounded to."""
    group: int | None = Field(default=None, ge=8)
    """Inputs of a layer that share a scale; default: all of an output for int8, 32 for int4."""
    inputs: bool = True
    """Round the inputs of the layers too, to int8 with a range per row, as int8 arithmetic does."""
    skip: Patterns = []
    """Layers that stay float, by name: the last one, say."""
    begin: Duration = Duration(0, "steps")
    """From when on: '2 epochs', '0.5 run'."""

    @property
    def group_size(self) -> int | None:
        """Inputs that share a scale; None where all of an output do."""
        return self.group or (32 if self.weights == "int4" else None)


class EarlyStoppingOptions(PartConfig):
    """Stops when a metric of its own choice has not improved for `patience` evaluations; several may watch several metrics."""

    type: str = "early_stopping"
    monitor: str = "auto"
    """A validation metric: `loss`, `accuracy`, or `target.metric`; `auto` is the monitored one (`trainer.monitor`)."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the metric is better when smaller or larger; `auto` knows it from the metric."""
    patience: int = Field(default=20, ge=1)
    """Evaluations without improvement before the run stops."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""
    good_enough: float | None = None
    """Stop as soon as the metric is at least as good as this."""
    hopeless: float | None = None
    """Stop as soon as the metric is at least as bad as this."""
    stop_when_not_finite: bool = False
    """Stop when the metric is not a finite number; else that counts as an evaluation without improvement."""


class PruningOptions(PartConfig):
    """Sets weights to zero and holds them there: all at once, or more and more of them while training makes up for it.

    Masks are of whole weights, also with averages, micro-batches and several processes; checkpoints hold them. Evaluations before the
    last weight is pruned neither pick the best weights nor count for early stopping. `pruning.json` in the run says what became zero.
    """

    type: str = "pruning"
    method: choice("pruning_method") = Field(default="global_l1", validate_default=True)  # type: ignore[valid-type]
    """Which weights go: `l1`, `global_l1`, `ln_structured`, `semi_structured` (2:4), … or a class of your own, with an `amount`."""
    names: Patterns = []
    """Name patterns of weights, or of modules they are in (`encoder`, `*.fc?.weight`); none stands for all. Vectors (`*.bias`) and what is
    not called a weight are pruned only where a pattern names them themselves."""
    exclude: Patterns = []
    """Name patterns of weights that are left as they are."""
    schedule: Literal["one_shot", "cubic"] = "one_shot"
    """All at `start`; or from `start` to `end` every so many steps, quickly at first (Zhu and Gupta 2017, eq. 1)."""
    initial: float = Field(default=0.0, ge=0, lt=1)
    """`cubic`: the share of the amount that is pruned at `start` already."""
    start: Duration | None = None
    """When it begins: before the first step, with `cubic` after `0.2 run`; counted from the run's first step, in a child from its parent's
    last."""
    end: Duration = Duration.parse("0.75 run")
    """`cubic`: when all of the amount is zero; train on after it."""
    every: Duration = Duration.parse("20 steps")
    """`cubic`: how often more is pruned."""

    _interval = field_validator("every")(above_zero)


class LambdaOptions(PartConfig):
    """Functions of your own, each called at one hook."""

    type: str = "lambda"
    every_rank: bool = False
    """Whether they are called in every process of a run, or in that of rank 0 alone."""
    functions: dict[str, str]
    """Hook → `package.module:name` or `./file.py:name`, called with what the hook gets: `on_log: ./my.py:say`."""

    @model_validator(mode="before")
    @classmethod
    def _from_any_folder(cls, data: object) -> object:
        """A file is found from any folder later."""
        if isinstance(data, dict) and isinstance(functions := data.get("functions"), dict):
            found = {hook: _absolute(path) if isinstance(path, str) else path for hook, path in functions.items()}
            return {**data, "functions": found}
        return data
