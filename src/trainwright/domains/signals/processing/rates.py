"""The rate of what a transform is given, which is never assumed, and frequencies that fit it."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.processing.options import SignalTransformConfig


def rate_of(options: SignalTransformConfig) -> float:
    """Samples a second of what a transform is given. Raises ConfigError where nothing says it."""
    if options.rate is None:
        name = getattr(options, "type", "a transform")
        why = "frequencies and seconds mean nothing without it, and only columns of recordings say it themselves"
        raise ConfigError(f"{name} does not know how many samples there are a second", why=why, fix=f"give it: {name}: {{rate: 500}}")
    return options.rate


def check_edges(name: str, edges: list[float], rate: float) -> None:
    """Raise ConfigError for a frequency that recordings of a rate cannot hold."""
    for edge in edges:
        if edge >= rate / 2:
            why = f"at {rate:g} samples a second nothing above {rate / 2:g} Hz can be told from what is slower (Nyquist)"
            fix = f"give edges below {rate / 2:g}, or a higher rate: before a `resample` rather than after it, or the column's `rate`"
            raise ConfigError(f"{name} has an edge of {edge:g} Hz", why=why, fix=fix)
