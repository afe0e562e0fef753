"""Training metrics of the supervised system: every target's summed up as batches come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainwright import metrics as measures
from trainwright.metrics.batch_outcome import wide
from trainwright.metrics.recent import KEPT_BYTES
from trainwright.metrics.stream import MetricStream

if TYPE_CHECKING:
    from trainwright.systems.supervised import SupervisedSystem


class SupervisedStream:
    """`<target>.<metric>` over the training rows that went by, and, where the step's loss is another, that of the members' joint answer."""

    def __init__(self, system: SupervisedSystem) -> None:
        self.system = system
        budget = KEPT_BYTES // max(len(system.heads), 1)
        targets = [head.target for head in system.heads]
        self.streams = {
            target.name: MetricStream(target.kind, target.metrics or measures.default_metrics(target.kind), target.classes, budget)
            for target in targets
        }
        joint = getattr(system.combiner, "members", 1) > 1 or getattr(system.combiner, "penalises", False)
        self.jointly = [head for head in system.heads if joint]
        self.losses: dict[str, Tensor] = {}
        self.rows = 0

    def update(self, outputs: dict[str, Tensor]) -> None:
        """Take in what the decoders gave for some rows, and the encoded truth."""
        finished = self.system.finish(outputs, losses=bool(self.jointly))
        for name, stream in self.streams.items():
            if f"{name}.scores" in finished:
                stream.update(finished[f"{name}.truth"], finished[f"{name}.scores"])
        for head in self.jointly:
            each = finished[f"{head.name}.loss"]
            total = each.to(wide(each.device)).sum()
            before = self.losses.get(head.name)
            self.losses[head.name] = total if before is None else before + total
        self.rows += len(next(iter(outputs.values())))

    def compute(self) -> dict[str, float]:
        """Every metric of the training rows."""
        found = {"loss": sum(head.weight * float(self.losses[head.name]) / self.rows for head in self.jointly)} if self.losses else {}
        for name, stream in self.streams.items():
            found |= {f"{name}.{metric}": value for metric, value in stream.compute().items()}
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        found = {f"loss/{name}": total for name, total in self.losses.items()} | {"rows": torch.tensor(self.rows)}
        return found | {f"{name}/{part}": each for name, stream in self._numbered() for part, each in stream.tensors().items()}

    def _numbered(self) -> list[tuple[str, MetricStream]]:
        """The streams by number: a target may have any name."""
        return [(str(place), stream) for place, stream in enumerate(self.streams.values())]

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        self.rows = int(tensors["rows"]) if tensors else 0
        self.losses = {name.removeprefix("loss/"): each for name, each in tensors.items() if name.startswith("loss/")}
        for place, stream in self._numbered():
            own = f"{place}/"
            stream.load({name.removeprefix(own): each for name, each in tensors.items() if name.startswith(own)})
