"""What `clean` is told, and the methods there are. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import PositiveFloat, model_validator

from trainwright.config.errors import did_you_mean
from trainwright.domains.signals.processing.options import SignalTransformConfig

METHODS: dict[str, tuple[str, ...]] = {
    "ecg": ("neurokit", "biosppy", "pantompkins1985", "hamilton2002", "elgendi2010"),
    "eda": ("neurokit", "biosppy"),
    "emg": ("neurokit", "biosppy"),
    "ppg": ("neurokit", "elgendi2013", "nabian2018", "langevin2021", "goda2024"),
    "rsp": ("neurokit", "khodadad2018", "biosppy", "charlton2021"),
}
"""Signals and their methods; `neurokit` is the default of neurokit2 for each."""


class CleanOptions(SignalTransformConfig):
    """A signal of the body cleaned as neurokit2 does it, each channel by itself."""

    type: str = "clean"
    main: ClassVar[str] = "signal"
    still: ClassVar[bool] = True
    signal: Literal["ecg", "eda", "emg", "ppg", "rsp"]
    """What it is: the heart's electricity, skin conductance, a muscle's electricity, the pulse in light, or breathing."""
    method: str = "neurokit"
    """Whose filters; `neurokit` is the default of neurokit2 for the signal. ECG: neurokit (from 0.5 Hz, hum out), biosppy (0.67–45 Hz FIR),
    pantompkins1985, hamilton2002, elgendi2010 (causal). EDA: neurokit (up to 3 Hz), biosppy (up to 5 Hz, smoothed). EMG: biosppy (from 100
    Hz). PPG: elgendi2013 (0.5–8 Hz), nabian2018, langevin2021, goda2024. Breathing: khodadad2018 (0.05–3 Hz), biosppy, charlton2021."""
    powerline: PositiveFloat = 50.0
    """Hz of the mains whose hum is taken out of an ECG by `neurokit`."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is cleaned where it is read."""

    @model_validator(mode="after")
    def _has_method(self) -> Self:
        if self.method not in METHODS[self.signal]:
            raise ValueError(f"{self.signal} has no method '{self.method}'; {did_you_mean(self.method, METHODS[self.signal])}")
        return self
