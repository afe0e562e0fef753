"""Training metrics of a plain system: those known by name summed up, functions of one's own over recent rows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from trainwright import metrics as measures
from trainwright.config.errors import DataError
from trainwright.metrics.recent import RecentRows
from trainwright.metrics.stream import MetricStream
from trainwright.systems.plain_batch import TARGET
from trainwright.systems.plain_metrics import Measures, kind_and_scores


class PlainStream:
    """Named metrics over all training rows that went by, functions over as many as are kept; the loss is the engine's own count."""

    def __init__(self, measures: Measures) -> None:
        self.measures = measures
        self.named: MetricStream | None = None
        self.recent = RecentRows()
        self.only_labels = measures.names == ["accuracy"] and measures.kind == "category"
        """Whether the largest output is all that is asked for: probabilities are not needed, and targets left out count as missed."""

    def update(self, outputs: dict[str, Tensor]) -> None:
        """Take in `output` and `target` of some rows. Raises DataError for shapes that do not fit together."""
        if "output" not in outputs:
            return
        output, target = outputs["output"], outputs[TARGET]
        try:
            if self.measures.functions:
                self.recent.add({"output": output, "target": target})
            if self.measures.names:
                self._add_named(output, target)
        except ValueError as error:
            raise self._error(error, f": output {tuple(output.shape)}, target {tuple(target.shape)}") from error

    def _add_named(self, output: Tensor, target: Tensor) -> None:
        if self.measures.kind == "category" and target.is_floating_point():
            target = target.argmax(dim=1)
        if self.only_labels:
            kind, scores = "category", output
        else:
            kind, scores, target = kind_and_scores(self.measures.kind, output, target)
        if self.named is None:
            self.named = self._stream(kind)
        self.named.update(target, scores)

    def _stream(self, kind: str) -> MetricStream:
        asked = [name for name in self.measures.names if kind in measures.PARTS[name].kinds]
        return MetricStream(kind, [measures.options(name) for name in asked], check=not self.only_labels)

    def _error(self, error: Exception, shapes: str = "") -> DataError:
        fix = "check the training targets, or name other metrics: metrics=[…]"
        return DataError("the metrics cannot be computed", where=", ".join(self.measures.names) + shapes, why=str(error), fix=fix)

    def compute(self) -> dict[str, float]:
        """Every metric of the training rows."""
        rows, found = self.recent.rows, dict[str, float]()
        if rows:
            found = {name: float(function(rows["output"], rows["target"])) for name, function in self.measures.functions.items()}
        try:
            return found if self.named is None else found | self.named.compute()
        except ValueError as error:
            raise self._error(error) from error

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        named = {} if self.named is None else {f"{self.named.kind}/{name}": each for name, each in self.named.tensors().items()}
        return named | {f"recent/{name}": each for name, each in self.recent.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        self.recent.load({name.removeprefix("recent/"): each for name, each in tensors.items() if name.startswith("recent/")})
        named = {name: each for name, each in tensors.items() if not name.startswith("recent/")}
        self.named = self._stream(next(iter(named)).partition("/")[0]) if named else None
        if self.named is not None:
            self.named.load({name.partition("/")[2]: each for name, each in named.items()})
