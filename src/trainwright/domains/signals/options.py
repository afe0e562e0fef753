"""What columns of recordings are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from trainwright.config.model import ConfigModel
from trainwright.features.options import FileOptions


class AroundConfig(ConfigModel):
    """The piece of a recording round a moment: that of a beat, say."""

    before: float = Field(ge=0)
    """Seconds before the moment that a reference names (`100#at=370`)."""
    after: float = Field(ge=0)
    """Seconds after it."""

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if self.before + self.after <= 0:
            raise ValueError("before and after are both 0, which is no piece of a recording")
        return self


class RecordingOptions(FileOptions):
    """What is set for a column of recordings, whatever they are of."""

    rate: PositiveFloat | None = None
    """Samples a second that the model is given; default: that of most of a sample of the training rows. Other files are resampled."""
    other_rates: Literal["resample", "error"] = "resample"
    """Files of another rate: `resample` them (counted and told), or take them as files that cannot be read (`error`)."""
    file_rate: PositiveFloat | None = None
    """Samples a second of files that do not say it themselves, or say it wrongly."""
    around: AroundConfig | None = None
    """Of references that name a moment (`100#at=370`): how much before and after it; what lies beyond the ends is filled with zeros."""
    unreadable: Literal["error", "skip", "repair"] = "error"
    """Recordings that cannot be read: stop with an `error`, `skip` their rows, or `repair` them: gaps are filled, others missing."""


class SignalOptions(RecordingOptions):
    """Recordings of the body or of a sensor, a file for each row, read when it is needed: WFDB, EDF, MATLAB, HDF5, CSV, `.npy`."""

    type: str = "signal"
    leads: Annotated[list[str], Field(min_length=1)] | None = None
    """The channels by name, in order, case aside; default: those of most of a sample of the training rows."""
    absent: Literal["error", "zeros"] = "error"
    """A recording without one of the leads: cannot be read (`error`), or has `zeros` there, which is counted and told."""


class AudioOptions(RecordingOptions):
    """Sounds, a file for each row, read when it is needed: wav, flac, ogg, mp3 and what else libraries read."""

    type: str = "audio"
    channel: Literal["mix", "all", "error"] | Annotated[int, Field(ge=0)] = "mix"
    """Of several channels: their mean (`mix`), one by number from 0, `all` of them, or that such a file cannot be read (`error`)."""
