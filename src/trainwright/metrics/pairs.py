"""Metrics of what was predicted beside what is true, each row a picture or a signal: a mean over rows, summed up batch by batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics.base import Metric, wide
from trainwright.metrics.pair_options import RangeOptions

log = logging.getLogger("trainwright.metrics")

Pair = Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor] | None]
"""Outputs of an evaluation step → what was predicted and what is true; None where they hold neither."""
OUTPUT_NAMES = ("output", "outputs", "logits")
TARGET_NAMES = ("target", "targets", "labels", "label", "y")
"""What evaluation steps call the model's output (logits, or numbers) and the truth."""


def find_pair(where: str, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What is predicted and what is true among outputs, by their names. Raises ConfigError where one of them is not there."""
    output = next((name for name in OUTPUT_NAMES if name in outputs), None)
    target = next((name for name in TARGET_NAMES if name in outputs), None)
    if output is not None and target is not None:
        return outputs[output], outputs[target]
    why = f"the evaluation step gives {', '.join(outputs) or 'nothing that has rows'}"
    fix = f"return a mapping with one of {', '.join(OUTPUT_NAMES)} (logits or numbers) and one of {', '.join(TARGET_NAMES)}"
    raise ConfigError("the metrics asked for find nothing to measure", where=where, why=why, fix=fix)


class PairMetric(Metric):
    """The mean over rows of a number for each; `update(predicted, true)` from Python, or outputs with both from an evaluation step."""

    kind: ClassVar[str] = ""
    """What it is called."""
    config: ClassVar[type]
    """The class of its options."""
    emptied_by_load = True
    up = True

    def __init__(self, options: Any = None, *, name: str = "", pair: Pair | None = None, **values: Any) -> None:
        """`values`: its options by name. Raises ConfigError or ValidationError for those that it does not have."""
        super().__init__(self.config(type=self.kind, **values) if options is None else options)
        self.name, self.pair = name or self.kind, pair

    def update(self, outputs: Mapping[str, Tensor] | Tensor, batch: Any = None) -> None:
        """Take in rows. Raises DataError where predicted and true ones do not go together."""
        if isinstance(outputs, Tensor):
            found: tuple[Tensor, Tensor] | None = (outputs, batch)
        else:
            found = find_pair(self.name, outputs) if self.pair is None else self.pair(outputs)
        if found is None or not len(found[0]):
            return
        output, target = found
        if output.shape != target.shape:
            why = f"predicted ones have shape {tuple(output.shape)}, true ones {tuple(target.shape)}"
            raise DataError(f"'{self.name}' compares rows of one shape", where=self.name, why=why)
        precise = wide(output.device)
        with torch.no_grad():
            self.take_in(output.detach().to(precise), target.detach().to(precise))

    def take_in(self, output: Tensor, target: Tensor) -> None:
        """Sum up rows of one shape, in float64 where the device has it."""
        values = self.each(output, target)
        self.add(total=values.sum(), rows=values.numel(), undefined=values.isnan().sum())

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        """The number of every row, [b]."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """The mean over the rows; NaN where there are none."""
        rows = float(self.sums["rows"]) if self.sums else 0.0
        if self.sums and (undefined := int(self.sums["undefined"])):
            text = "%s: nan, since %s of %s rows give no number: predicted or true values in them are NaN or infinite"
            log.warning(text, self.name, f"{undefined:,}", f"{int(rows):,}")
        return {self.name: float(self.sums["total"]) / rows if rows else math.nan}

    def names(self) -> list[str]:
        """Its name."""
        return [self.name]

    def higher_is_better(self, name: str) -> bool | None:
        """Which way it is better."""
        return self.up if name == self.name else None


class RangedMetric(PairMetric):
    """One whose true values lie in a range that is told: others are refused when it is computed, since it would mean nothing."""

    options: RangeOptions
    kept_as_they_are: ClassVar[str] = "measured as they are"

    def take_in(self, output: Tensor, target: Tensor) -> None:
        """Sum up the rows, and count values outside of the range without waiting for the device."""
        low, high = self.options.low, self.options.low + self.options.data_range
        slack = 1e-6 * self.options.data_range
        super().take_in(output, target)
        low_true, high_true = target.aminmax()
        self.add(
            numbers=output.numel(),
            outside=((output < low - slack) | (output > high + slack)).sum(),
            outside_true=((target < low - slack) | (target > high + slack)).sum(),
        )
        self._bounds = torch.stack([low_true, high_true])

    def compute(self) -> dict[str, float]:
        """The mean over the rows. Raises DataError where true values lie outside of `low` … `low + data_range`."""
        if self.sums and int(self.sums["outside_true"]):
            raise self._wrong_range()
        if self.sums and (outside := int(self.sums["outside"])):
            share = outside / int(self.sums["numbers"])
            text = "%s: %.3g %% of the predicted values lie outside of %g … %g, and are %s"
            high = self.options.low + self.options.data_range
            log.info(text, self.name, 100 * share, self.options.low, high, self.kept_as_they_are)
        return super().compute()

    def _wrong_range(self) -> DataError:
        low, high = self.options.low, self.options.low + self.options.data_range
        bounds = vars(self).get("_bounds")
        why = f"{int(self.sums['outside_true']):,} of the true values lie outside of it"
        why += "" if bounds is None else f"; those of the last batch from {float(bounds[0]):g} to {float(bounds[1]):g}"
        fix = "say the range: data_range=255 for bytes; low=-1, data_range=2 for pictures in −1 … 1"
        return DataError(f"'{self.name}' is measured for values in {low:g} … {high:g}", where=self.name, why=why, fix=fix)
