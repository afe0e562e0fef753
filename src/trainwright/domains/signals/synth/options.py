"""Options of made recordings. Imports nothing that makes them."""

from __future__ import annotations

from pydantic import Field, field_validator

from trainwright.config.model import PartConfig


class ECGOptions(PartConfig):
    """12-lead ECGs of patients with one to three records and none to several of eight diagnoses, as WFDB records of PhysioNet/CinC."""

    type: str = "ecg"
    patients: int = Field(default=1200, ge=1, le=99_999)
    """Patients; each has one to three records."""
    seconds: float = Field(default=10.0, ge=8, le=120)
    """Length of a record."""
    rate: int = Field(default=0, ge=0, le=4000)
    """Samples a second; 0: three records of four at 100 Hz, the others at 200 Hz."""
    hard: bool = False
    """More noise, lower ST segments, PR intervals that touch, and other wide beats as wide as a bundle branch block's."""
    flip: float = Field(default=0.02, ge=0, le=0.5)
    """Share of the diagnoses that a header replaces by another; `true_labels.csv` has what is true."""
    broken: int = Field(default=0, ge=0, le=1000)
    """Records more that cannot be read as they are, each in one of seven ways."""

    @field_validator("rate")
    @classmethod
    def _enough_for_a_heart_beat(cls, value: int) -> int:
        if 0 < value < 50:
            raise ValueError(f"{value} Hz is too few for a heart beat: 50 or more, or 0 for 100 and 200 Hz")
        return value


class BeatOptions(PartConfig):
    """Long two-lead ECGs with an annotation of every beat (N, V, A), as those of MIT-BIH: WFDB format 212, 360 Hz, `.atr`."""

    type: str = "beats"
    records: int = Field(default=4, ge=1, le=899)
    """Records, each of another patient."""
    minutes: float = Field(default=30.0, ge=0.5, le=2880)
    """Length of a record."""
    rate: int = Field(default=360, ge=100, le=2000)
    """Samples a second."""


class SoundOptions(PartConfig):
    """Short sounds in a folder for each class: calls whose pitch rises, falls, turns or leaps, each speaker in a timbre of its own."""

    type: str = "sounds"
    speakers: int = Field(default=6, ge=1, le=99)
    """Speakers: each has a pitch, a timbre and a pace."""
    takes: int = Field(default=8, ge=1, le=999)
    """Sounds of each class and speaker."""
    rate: int = Field(default=8000, ge=4000, le=96_000)
    """Samples a second."""
    flat: bool = False
    """All in one folder, named `class_speaker_take.wav`, instead of a folder for each class."""
