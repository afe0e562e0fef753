"""What settings count when a trained model answers a table: what is measured beside the metrics, and files that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from trainwright.config.compose import compose
from trainwright.config.limits import MOST_SEED
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.metrics.interval_options import IntervalOptions, Intervals

READING = ("data.source.unreadable", "columns")
"""Settings that say what becomes of new rows whose files cannot be read; of `columns` nothing else."""
ANSWERING = ("evaluation.views", *READING)
"""Settings that count where rows are answered and not measured."""
SETTINGS = ("evaluation.intervals", "evaluation.importance", "evaluation.views", "evaluation.probe", "run.seed", *READING)
"""The settings that are used; what else `evaluation` has is of a training, and is refused."""
Unreadable = Literal["error", "skip", "repair"]


class ProbeOptions(ConfigModel):
    """A simple model of the encoder's output, fitted to the training rows of the run and measured beside it."""

    type: Literal["linear", "knn"] = "linear"
    """Logistic (of numbers: ridge) regression on standardised embeddings, or the nearest training rows."""
    strength: float = Field(default=1.0, gt=0)
    """Of `linear`: the inverse of the L2 penalty, C of scikit-learn."""
    k: int = Field(default=20, ge=1)
    """Of `knn`: how many rows answer, each with one vote."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Of `knn`: how far two embeddings are apart."""


def _as_probes(value: Any) -> Any:
    """`linear`, `{type: knn, k: 5}`, or a list of such."""
    given = value if isinstance(value, list) else [value]
    return [{"type": each} if isinstance(each, str) else each for each in given]


Probe = Literal["linear", "knn"] | ProbeOptions
Probes = Annotated[list[ProbeOptions], BeforeValidator(_as_probes, json_schema_input_type=Probe | list[Probe])]


class MeasureOptions(NamedTuple):
    """What is found beside the metrics of a table, and how its files are read."""

    intervals: IntervalOptions | None = None
    """Bootstrap intervals of the metrics, where they are asked for."""
    importance: bool = False
    """Permutation importance of the columns on these rows."""
    seed: int = 0
    """Fixes what is drawn for both."""
    unreadable: Mapping[str, Unreadable] = {}
    """Column → what becomes of rows whose file there cannot be read, where it is not as in training."""
    views: tuple[str, ...] | None = None
    """Ways to look at every row, over which its answer is averaged, where it is not as the run says."""
    all_unreadable: Unreadable | None = None
    """The same of all other columns, and of the source."""
    probes: tuple[ProbeOptions, ...] = ()
    """Simple models of the encoder's output that are measured beside it."""


class _Seed(ConfigModel):
    seed: int = Field(default=0, ge=0, le=MOST_SEED)


class _Evaluation(ConfigModel):
    intervals: Intervals = None
    importance: bool = False
    views: list[str] | None = None
    probe: Probes = []


class _Files(ConfigModel):
    unreadable: Unreadable


class _Source(ConfigModel):
    unreadable: Unreadable | None = None


class _Data(ConfigModel):
    source: _Source = _Source()


class _Asked(ConfigModel):
    evaluation: _Evaluation = _Evaluation()
    run: _Seed = _Seed()
    columns: dict[str, _Files] = {}
    data: _Data = _Data()


def read_asked(settings: Sequence[Any]) -> MeasureOptions:
    """The options that settings of the command line, or of Python, ask for; raises ManyErrors for values that cannot be."""
    found = validate(_Asked, compose(_Asked, None, list(settings), environment={}))
    policies = {name: each.unreadable for name, each in found.columns.items()}
    evaluation, everywhere = found.evaluation, found.data.source.unreadable
    views = None if evaluation.views is None else tuple(evaluation.views)
    probes = tuple(evaluation.probe)
    return MeasureOptions(evaluation.intervals, evaluation.importance, found.run.seed, policies, views, everywhere, probes)
