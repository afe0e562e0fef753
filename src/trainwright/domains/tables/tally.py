"""What is counted in new rows that a table's run reads, and told: unknown and missing values, rows and columns that are left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from trainwright.data.source import Source, notes_on_new_rows
from trainwright.features.base import Counts
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.lazy import lazy_features

log = logging.getLogger(__name__)


@dataclass
class Tally:
    """Values of each column that are missing, unknown or no numbers, and rows that are left out, by reason."""

    rows: int = 0
    """Rows that were encoded."""
    counts: dict[str, Counts] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, encoded: EncodedTable) -> None:
        """Count further rows."""
        self.rows += len(encoded.rows)
        for name, counts in encoded.counts.items():
            self.counts.setdefault(name, Counts()).add(counts)
        self.left_out.update({dropped.reason: len(dropped.rows) for dropped in encoded.dropped})

    def state(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        return {"rows": self.rows, "counts": {name: asdict(each) for name, each in self.counts.items()}, "left_out": dict(self.left_out)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The counts that `state` describes."""
        return cls(state["rows"], {name: Counts(**each) for name, each in state["counts"].items()}, Counter(state["left_out"]))

    def say(self, encoder: TableEncoder) -> None:
        """Log what was unknown, cannot be read or was dropped, and what is missing at over twice the rate of training."""
        for name, counts in self.counts.items():
            feature = encoder.features[name]
            if counts.invalid:
                log.info("note: column '%s': %s values %s and count as missing", name, f"{counts.invalid:,}", feature.counts_as)
        for name, counts in self.counts.items():
            if counts.unknown:
                log.warning("column '%s': %s values were never seen in training and count as unknown", name, f"{counts.unknown:,}")
            usual = encoder.features[name].missing_in_training / max(encoder.features[name].fitted_rows, 1)
            if name in encoder.inputs and counts.missing > 2 * usual * self.rows:
                shown = f"{counts.missing:,} of {self.rows:,} values are missing ({usual:.1%} in training)"
                log.info("note: column '%s': %s", name, shown)
        for reason, count in self.left_out.items():
            log.warning("%s rows are left without a prediction: %s", f"{count:,}", reason)


def say_counts(source: Source, encoded: EncodedTable) -> None:
    """Log what was unknown, dropped or left over in new rows, and what is missing at over twice the rate of training."""
    tally = Tally()
    tally.add(encoded)
    say_notes(encoded.encoder, source)
    encoded.say_files()
    tally.say(encoded.encoder)


def say_notes(encoder: TableEncoder, source: Source) -> None:
    """Log how a source was read, and which of its columns training did not know."""
    for note in notes_on_new_rows(source):
        log.info("note: %s: %s", source.name, note)
    known = set(encoder.known)
    extra = [name for name in source.schema.names if name not in known]
    if extra:
        log.info("note: %s: columns that training did not know were left out: %s", source.name, ", ".join(extra[:12]))


def say_files(encoder: TableEncoder) -> None:
    """Log which files of the rows that were read last cannot be read."""
    for note in [note for feature in lazy_features(encoder.features) for note in feature.remarks()]:
        log.info("note: %s", note)
