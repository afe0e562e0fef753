"""What is found in a signal of the body: the cleaned signal, events, rate, quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.domains.signals.physiology.inputs import Array


@dataclass(frozen=True)
class Processed:
    """What all of them have; events are samples, ascending, and there may be none."""

    per_sample: ClassVar[tuple[str, ...]] = ("clean", "quality", "rate")
    """What there is one value a sample of."""
    sampling_rate: float
    """Samples a second."""
    clean: Array
    """`(time,)`: the signal without what is no part of it."""
    quality: Array
    """`(time,)`, 0 to 1: how far it can be trusted; 0 in gaps and where it is flat."""

    def to_table(self) -> pa.Table:
        """A row for each sample: `time` in seconds, and what there is one value a sample of."""
        count = len(self.clean)
        columns = {name: getattr(self, name) for name in self.per_sample}
        return pa.table({"time": np.arange(count) / self.sampling_rate, **columns})


@dataclass(frozen=True)
class ECG(Processed):
    """An electrocardiogram."""

    peaks: Array
    """R peaks, int64 `(beats,)`."""
    rate: Array
    """`(time,)`: beats a minute; NaN where there are fewer than two."""


@dataclass(frozen=True)
class PPG(Processed):
    """A photoplethysmogram: the pulse in light."""

    peaks: Array
    """Systolic peaks, int64 `(beats,)`."""
    rate: Array
    """`(time,)`: beats a minute; NaN where there are fewer than two."""


@dataclass(frozen=True)
class RSP(Processed):
    """Breathing."""

    per_sample: ClassVar[tuple[str, ...]] = ("clean", "quality", "rate", "amplitude")
    inhalations: Array
    """Where each breath begins, the trough before it: int64 `(breaths,)`."""
    exhalations: Array
    """Where each breath turns, its peak: int64 `(breaths,)`, each after its inhalation."""
    rate: Array
    """`(time,)`: breaths a minute, from one inhalation to the next; NaN where there are fewer than two."""
    amplitude: Array
    """`(time,)`: peak less trough, interpolated between breaths; NaN where there is none."""


@dataclass(frozen=True)
class EDA(Processed):
    """Electrodermal activity: skin conductance, in µS."""

    per_sample: ClassVar[tuple[str, ...]] = ("clean", "quality", "tonic", "phasic")
    tonic: Array
    """`(time,)`: the slow level."""
    phasic: Array
    """`(time,)`: what comes and goes."""
    onsets: Array
    """Where each skin conductance response (SCR) begins, int64 `(responses,)`."""
    peaks: Array
    """Where each is highest, int64 `(responses,)`."""
    amplitudes: Array
    """Phasic at the peak less phasic at the onset, `(responses,)`."""
    recoveries: Array
    """Seconds from the peak until half of the amplitude is lost, `(responses,)`; NaN where the next response comes first."""


@dataclass(frozen=True)
class EMG(Processed):
    """An electromyogram: a muscle's electricity."""

    per_sample: ClassVar[tuple[str, ...]] = ("clean", "quality", "amplitude")
    amplitude: Array
    """`(time,)`: the envelope of its energy (Teager and Kaiser)."""
    onsets: Array
    """Where each activation begins, int64 `(activations,)`."""
    offsets: Array
    """The sample after each activation, int64 `(activations,)`; the end of the signal for one that lasts until then."""
