"""results.json: every final number of a run, in a form that stays the same from version to version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from trainwright.config.errors import RunError
from trainwright.files.text import plain, read_json

FORMAT = 1
Metrics = dict[str, dict[str, float | None] | float | None]
"""Target → metric → value, and `loss` beside the targets; null where a metric is undefined."""
LOSS = "loss"
"""The key of the loss of all targets together, beside theirs; within the metrics of a target that is called so."""


class _Section(BaseModel):
    # Unknown keys are kept: a later version may add some, and reading an older file must not refuse them.
    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)


class Baseline(_Section):
    """A simple model trained on the same rows and measured the same way."""

    train: dict[str, dict[str, float | None]] = {}
    """Target → metric → value on the training rows, when measured."""
    validation: dict[str, dict[str, float | None]] = {}
    """Target → metric → value on the validation rows."""
    test: dict[str, dict[str, float | None]] = {}
    """Target → metric → value on the test rows."""
    seconds: float | None = None
    """Seconds to fit and measure it."""


class Verdict(_Section):
    """How the network stands beside the best baseline for one target."""

    metric: str
    """The metric compared, on the test rows."""
    network: float | None = None
    """The network's value."""
    best_baseline: float | None = None
    """The best baseline's value."""
    name: str | None = None
    """Which baseline that is."""
    beats: bool | None = None
    """Whether the network is better, beyond what chance explains; null when there is nothing to compare."""
    standing: str | None = None
    """`beats`, `behind`, `on par` when the interval of the difference includes zero, or `too few`: under ten rows of a class."""
    difference: float | None = None
    """The network's value minus the baseline's, on the rows that both scored."""
    interval: tuple[float | None, float | None] | None = None
    """The 95 % interval of that difference, from the paired bootstrap."""
    text: str = ""
    """The same in one sentence."""
    rows: int | None = None
    """Rows that were compared: those whose inputs are in no training row, where there are 30 of them, else all."""
    of: int | None = None
    """Rows of the split."""
    values: dict[str, float | None] = {}
    """The metric of the network and of every baseline, on the rows compared."""
    network_interval: tuple[float | None, float | None] | None = None
    """The 95 % interval of the network's value, on the rows compared."""
    seen: dict[str, int | float | None] | None = None
    """`rows` whose inputs are in a training row, with the metric of `network` and `baseline` there, and of `new_rows`, the others."""
    notes: list[str] = []
    """What a reader should know of the metric, the rows and the baselines, a sentence each."""
    advice: list[str] = []
    """What to try next, with the settings to write."""


class Timing(_Section):
    """Where the time went."""

    startup_seconds: float | None = None
    """Seconds from the start of the process to the first step."""
    train_seconds: float | None = None
    """Seconds in steps alone."""
    evaluate_seconds: float | None = None
    """Seconds in evaluations."""
    checkpoint_seconds: float | None = None
    """Seconds that training waited for checkpoints."""
    total_seconds: float | None = None
    """Seconds from the start of the process to the end."""
    steps: int | None = None
    """Optimizer updates of the run, over all its processes."""
    samples_per_second: float | None = None
    """Training samples per second of `train_seconds`."""


class Realised(_Section):
    """What was used, where the request said `auto` or gave a limit."""

    batch_size: int | None = None
    """Samples per step, over all ranks."""
    micro_batch_size: int | None = None
    """Samples per forward and backward pass on one device."""
    steps: int | None = None
    """Optimizer updates of the whole run."""
    epochs: float | None = None
    """Passes over the training rows."""
    parameters: int | None = None
    """Trainable numbers in the network."""


class Best(_Section):
    """The evaluation whose weights were kept."""

    step: int | None = None
    """The step after which it was made."""
    metric: str | None = None
    """The monitored metric, as `target.metric` or `loss`."""
    value: float | None = None
    """Its value on the validation rows."""


class Resampling(_Section):
    """What was drawn for the intervals of a target."""

    by: str = ""
    """The column whose values were drawn, each with all its rows; empty where rows were."""
    groups: int | None = None
    """Values of that column, or rows."""
    resamples: int | None = None
    """Draws."""
    level: float | None = None
    """The share of draws between both ends."""
    jackknife: int | None = None
    """Parts of the groups that were left out one by one instead, for metrics of order of very many rows."""
    absent: dict[str, int] = {}
    """Class or label → draws in which no row, or every row, had it: it was left out of their means, where it is undefined."""


class Classes(_Section):
    """What each class or label of a target has in a split."""

    rows: int | None = None
    """Rows of the split."""
    classes: int | None = None
    """Classes or labels."""
    absent: list[str] = []
    """Those that no row has."""
    everywhere: list[str] = []
    """Labels that every row has."""
    over: dict[str, int] = {}
    """Metric → over how many classes it is a mean; the others are undefined and left out."""
    of: dict[str, dict[str, float | None]] = {}
    """Class or label → its `rows`, and its value of each such metric; null where undefined. Empty above 1,000."""


class Results(_Section):
    """Every final number of a run."""

    format: int = FORMAT
    """The version of this layout; a reader refuses a larger one."""
    metrics: dict[str, Metrics] = {}
    """Split (`train`, `validation`, `test`) → target → metric → value, and `loss` per split."""
    intervals: dict[str, dict[str, dict[str, tuple[float | None, float | None]]]] = {}
    """Split → target → metric → lowest and highest value of the bootstrap interval, 95 % unless `resampling` says another level."""
    resampling: dict[str, dict[str, Resampling]] = {}
    """Split → target → what was drawn for the intervals."""
    classes: dict[str, dict[str, Classes]] = {}
    """Split → target with classes or labels → what each of them has, and which of them no row has."""
    baselines: dict[str, Baseline] = {}
    """Baseline → its numbers."""
    verdict: dict[str, Verdict] = {}
    """Target → how the network stands beside the best baseline."""
    timing: Timing = Timing()
    """Where the time went, in seconds."""
    realised: Realised = Realised()
    """What was used, where the request said `auto` or gave a limit."""
    stopped_because: str = ""
    """Why training ended, in words."""
    still_improving: bool = False
    """Whether its length ended the run while its best evaluation was at the end."""
    go_on: str = ""
    """What goes on with such a run, to twice its length."""
    best: Best | None = None
    """The evaluation whose weights were kept."""
    seed: int | None = None
    """The seed of the split, the initial weights, the order and the noise."""
    weights_sha256: str | None = None
    """SHA-256 (hex) of `model/model.safetensors`."""
    calibration: dict[str, dict[str, Any]] = {}
    """Target → what was fitted after training: `methods`, `fitted_on`, `rows`, its parameters, and of each split what it is worth."""
    files: dict[str, dict[str, Any]] = {}
    """Column of files → what they were like: how many were decoded, of which kinds, and the first that cannot be read."""


def validate_results(content: Any, where: str = "results.json") -> dict[str, Any]:
    """`content` with every field of the layout present and NaN as null; raises RunError naming the fields that do not fit."""
    try:
        return Results.model_validate(plain(content)).model_dump(mode="json")
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        raise RunError(
            "this does not have the layout of results.json", where=where, why=wrong, fix="docs/results.md describes every field"
        ) from error


def put_loss(metrics: dict[str, Any], value: float | None) -> None:
    """Put the loss of all targets into the metrics of a split."""
    of_a_target = metrics.get(LOSS)
    if isinstance(of_a_target, dict):
        of_a_target[LOSS] = value
    else:
        metrics[LOSS] = value


def loss_in(metrics: Mapping[str, Any]) -> Any:
    """The loss of all targets in the metrics of a split; None where it was not measured."""
    found = metrics.get(LOSS)
    return found.get(LOSS) if isinstance(found, Mapping) else found


def flatten_metrics(metrics: Mapping[str, Any], prefix: str = "", between: str = ".") -> Iterator[tuple[str, float]]:
    """Nested metrics as `target.metric` (of a whole run `split.target.metric`) and value; what is no number is left out.

    `between`: what stands between the names.
    """
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flatten_metrics(value, f"{prefix}{key}{between}", between)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", value


def build_results(**fields: Any) -> dict[str, Any]:
    """The content of results.json from its top-level fields; raises RunError when one does not fit."""
    return validate_results({"format": FORMAT, **fields})


def read_results(path: Path) -> dict[str, Any] | None:
    """results.json of the run at `path`, None when it has none; raises RunError when it is damaged or from a newer layout."""
    content = read_json(path / "results.json")
    if content is None:
        return None
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT:
        why = f"it has layout {version}; this version reads up to {FORMAT}"
        raise RunError("results.json is from a newer Trainwright", where=str(path), why=why, fix="pip install -U trainwright")
    return validate_results(content, str(path / "results.json"))
