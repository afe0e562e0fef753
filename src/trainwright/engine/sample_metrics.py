"""Samples of a system measured beside the real rows of a split, by features: the same at any number of processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.registry import build, load
from trainwright.data.rows import Rows
from trainwright.engine.evaluation import turns_of
from trainwright.engine.learnt_features import learn_features
from trainwright.engine.plan import Plan
from trainwright.engine.randomness import restore_generators
from trainwright.engine.sample_metrics_options import AUTO, SampleMetricsOptions, refuse_unmeasured
from trainwright.engine.sample_rows import AT_ONCE, Made, Pieces, draw_numbered, facts_of, features_in_order, real_rows
from trainwright.engine.system import System, device_of, to_device
from trainwright.files.text import write_json
from trainwright.metrics import label
from trainwright.metrics.extractor import Extractor, make_extractor
from trainwright.metrics.feature_sets import MADE, REAL, FeatureMetric
from trainwright.metrics.reference import ReferenceFacts, read_reference, write_reference

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.sample_metrics"
FILE = "sample_metrics.json"
"""What numbers of samples in a run were measured by."""
TRIED = 2
"""Samples, and real rows, that are tried before the first step."""

Kept = dict[str, dict[str, Tensor]]
"""Metric → what it keeps of the real rows."""


def check_sample_metrics(options: SampleMetricsOptions, monitor: str, plan: Plan) -> None:
    """Raise ConfigError for a monitor that is not measured at each evaluation, and for an interval that the run has not."""
    refuse_unmeasured(options, monitor)
    if options.every is not None:
        plan.extent.in_steps(options.every, f"{WHERE}.every")


@dataclass(frozen=True)
class Reference:
    """The real rows of a split, what they are, and what metrics keep of them."""

    rows: Rows
    facts: ReferenceFacts
    kept: Kept


class SampleMeasurer:
    """Measures samples at evaluations; what is learnt for that, and of the real rows, is kept from one to the next."""

    def __init__(self, options: SampleMetricsOptions, training_rows: Callable[[], Rows] | None = None) -> None:
        """`training_rows`: where features are learnt from, where a session has no rows of training."""
        self.options, self._training_rows = options, training_rows
        self._extractors: dict[str, Extractor] = {}
        """What makes features for metrics that take any, under no name, and for those with features of their own under theirs."""
        self._references: dict[int, Reference] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self.about: dict[str, Any] = {}
        """What the last numbers were measured by, for who reads them."""

    @classmethod
    def of(cls, options: SampleMetricsOptions | None, training_rows: Callable[[], Rows] | None) -> SampleMeasurer | None:
        """One where samples are to be measured."""
        return None if options is None else cls(options, training_rows)

    def due(self, session: Session) -> bool:
        """Whether samples are measured at this evaluation: a function of the steps of this one and the last."""
        every, position = self.options.every, session.position
        if every is None or session.parts.stage != "fit" or position.finished:
            return True
        steps = session.plan.extent.in_steps(every, f"{WHERE}.every")
        return position.step // steps > max(position.evaluated_at, 0) // steps

    def measure(self, session: Session, rows: Rows, split: str) -> dict[str, float]:
        """The numbers of the samples beside the rows; empty where they are not due. Raises EvaluationInterrupted on a signal."""
        if not self.due(session):
            return {}
        metrics = self._metrics(session)
        reference = self._reference(session, rows, metrics)
        for metric in metrics:
            metric.load(reference.kept[key_of(metric)])
        self._take_made(session, rows, metrics, reference.facts)
        self._tell(session, split, reference.facts, metrics)
        return {name: value for each in metrics for name, value in each.compute().items()}

    def try_out(self, session: Session, rows: Rows) -> list[str]:
        """Make features of a few samples and real rows, so that a mistake is met before the first step; the numbers that there will be."""
        real = real_rows(session, rows)(0, 1 if rows.batched else min(TRIED, len(rows)))
        made = draw_numbered(session, 0, TRIED, self.options.seed)
        ensure_alike(session, shape_of(made), shape_of(real))
        metrics = self._metrics(session)
        for metric in metrics:
            for side, given in ((REAL, real), (MADE, made)):
                metric.take_in(side, metric.fit_width(metric.extractor(given)))
        return [name for metric in metrics for name in metric.names()]

    def _metrics(self, session: Session) -> list[FeatureMetric]:
        """New ones of all that are asked for, each with what makes its features."""
        found: list[FeatureMetric] = []
        for name, options in self.options.by_name().items():
            own = load("metric", options.type).own_extractor
            place = "" if own is None else label(options)
            if place not in self._extractors:
                with restore_generators(session.device):  # a library may draw first weights before it loads others
                    self._extractors[place] = self._ready(session, self._features(session) if own is None else own(options))
            found.append(build("metric", options, features=self._extractors[place], name=name))
            found[-1].loud = not self.about  # told once by what, and then in the rows of the log
        return found

    def _features(self, session: Session) -> Any:
        """What features were asked for, or are usual here."""
        given = self.options.features
        if given == AUTO:
            given = usual_features(session.system, self._read_training(session)())
            log.info("%s.features: %s, since nothing else is said", WHERE, given if isinstance(given, str) else given["type"])
        return given

    def _read_training(self, session: Session) -> Callable[[], Rows]:
        if self._training_rows is None:
            return lambda: session.parts.train
        given = self._training_rows

        def read() -> Rows:
            try:
                return given()
            except RequestError as error:
                what, why = "features are learnt from training rows, which cannot be had here", error.what
                fix = "measure the run itself; or take features that learn nothing: pixels, a network from a file"
                raise ConfigError(what, where=f"{WHERE}.features", why=why, fix=fix) from error

        return read

    def _ready(self, session: Session, given: Any) -> Extractor:
        """What makes features, learnt where it has to be; the same for all evaluations of this object."""
        made = make_extractor(given, WHERE)
        made.low, made.high = map(float, session.system.sample_range or (0.0, 1.0))
        if made.fits:
            learn_features(made, self._read_training(session), session)
        made.to(session.device)
        return made

    def _reference(self, session: Session, rows: Rows, metrics: list[FeatureMetric]) -> Reference:
        """What the real rows are to each metric: as computed before, from a file, or computed now and kept in it."""
        if id(rows) in self._references:
            return self._references[id(rows)]
        main, world = self._extractors.get("") or metrics[0].extractor, session.parts.world
        turns, read, identity = turns_of(session, rows), real_rows(session, rows), main.identity()
        facts = facts_of(session, rows, read, turns, identity)
        path = Path(self.options.reference) if self.options.reference else facts.usual_path()
        kept: Kept = world.first(lambda: self._read(path, facts) if identity else {}, patient=True)
        if not all(key_of(each) in kept for each in metrics):
            show(session, metrics, read, (len(rows), 1 if rows.batched else AT_ONCE, turns), REAL)
            kept |= {key_of(each): each.side_tensors(REAL) for each in metrics}
            if identity and world.is_main:
                write_reference(path, facts, kept)
        self._references[id(rows)] = Reference(rows, facts, kept)
        return self._references[id(rows)]

    def _read(self, path: Path, facts: ReferenceFacts) -> Kept:
        try:
            return read_reference(path, facts)
        except ConfigError as error:
            if self.options.reference:
                raise
            log.warning("%s: %s; it is made again", path, error.what)
            return {}

    def _take_made(self, session: Session, rows: Rows, metrics: list[FeatureMetric], facts: ReferenceFacts) -> None:
        """Make the samples and show them to the metrics. Raises DataError for samples of another shape than the real rows."""

        def make(first: int, end: int) -> Tensor:
            made = draw_numbered(session, first, end - first, self.options.seed)
            ensure_alike(session, shape_of(made), facts.shape)
            return made

        show(session, metrics, make, (self.options.n, self.options.batch_size, turns_of(session, rows)), MADE)

    def _tell(self, session: Session, split: str, facts: ReferenceFacts, metrics: list[FeatureMetric]) -> None:
        """Keep what the numbers are measured by, and write it into a run."""
        shape = tuple(int(each) for each in facts.shape.split("×"))
        described = "; ".join(dict.fromkeys(each.extractor.describe(each.width, shape) for each in metrics))
        real = f"{int(facts.rows):,} rows of {split} (digest {facts.data[:12]})"
        self.about = {"n": self.options.n, "seed": self.options.seed, "features": described, "real": real}
        self._told[split] = self.about
        if session.parts.stage == "fit" and session.parts.world.is_main:
            write_json(session.folder / FILE, self._told)


def key_of(metric: FeatureMetric) -> str:
    """Under which name what a metric keeps of real rows is kept; of one with features of its own these are part of it."""
    own = "" if metric.own_extractor is None else f" of {metric.extractor.identity()}"
    return f"{label(metric.options)}{own}"


def show(session: Session, metrics: list[FeatureMetric], make: Made, pieces: Pieces, side: str) -> None:
    """Let metrics take in the rows of a side."""
    extractors = list({id(each.extractor): each.extractor for each in metrics}.values())
    place = {id(each): number for number, each in enumerate(extractors)}
    for features, keys in features_in_order(session, extractors, make, pieces, side):
        for metric in metrics:
            metric.take_in(side, metric.fit_width(features[place[id(metric.extractor)]]), keys)


def describe_measured(by: Mapping[str, Any]) -> str:
    """What samples were measured by, in a line; empty where there were none."""
    return f"{by['n']:,} of seed {by['seed']}, features: {by['features']}, beside {by['real']}" if by else ""


def shape_of(rows: Tensor) -> str:
    """The shape of one row, as it is written: `1×8×8`."""
    return "×".join(map(str, rows.shape[1:]))


def ensure_alike(session: Session, made: str, real: str) -> None:
    """Raise DataError for samples of another shape than the real rows."""
    if made != real:
        where, fix = f"{session.system.shown_name}.as_samples", "give rows in the form of samples: write as_samples(self, batch)"
        raise DataError(f"samples have the shape {made}, and real rows {real}", where=where, fix=fix)


def usual_features(system: System, rows: Rows) -> str | dict[str, Any]:
    """`classifier` where rows of training have classes, else `pca`, of vectors with all their values on one scale."""
    example = system.as_evaluated(to_device(rows.example(), device_of(system)))
    if system.class_of(example) is not None:
        return "classifier"
    return {"type": "pca", "standardize": True} if system.as_samples(example).dim() == 2 else "pca"
