"""Columns of recordings: a reference for each row, decoded batch by batch to `(channels, time)`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np

from trainwright.config.errors import ConfigError, DataError, nearest
from trainwright.config.model import PartConfig
from trainwright.domains.signals.options import AudioOptions, RecordingOptions, SignalOptions
from trainwright.domains.signals.processing.options import SignalTransformConfig
from trainwright.domains.signals.recording import Reader, most_frequent
from trainwright.features.file import FileFeature
from trainwright.features.kept import count_still
from trainwright.features.npy import Unreadable

LOOKED_AT = 1 << 18
"""Samples that are looked at together, where values are looked at before training: long recordings are never held whole."""

OTHER_LENGTH = "; {fit_length: SECONDS} in `transform` gives all one length, data.window predicts long ones piece by piece"
"""What helps where a recording is not as long as the others."""


class RecordingFeature(FileFeature):
    """Recordings at one rate; rate and channels are found in a sample of the training rows where they are not given."""

    axis = -1
    traced_as = "file"
    config: RecordingOptions
    remembers: ClassVar[tuple[str, ...]] = (*FileFeature.remembers, "rate", "channels")

    def __init__(self, config: RecordingOptions, name: str, target: bool = False) -> None:
        if target:
            fix = "name the column with the labels as the target; this one is an input"
            raise DataError(f"target '{name}' is a column of recordings, which cannot be predicted", fix=fix)
        super().__init__(config, name, target)
        self.rate = 0.0
        """Samples a second of what the transforms are given."""
        self.channels: list[str] = []
        """Their names."""
        self.told: Counter[str] = Counter()
        """What was found in files that can be read, and in how many."""

    @property
    def reader(self) -> Reader:
        """How its recordings are read, here or in a worker."""
        around, options = self.config.around, self.config
        return Reader(
            rate=self.rate or options.rate,
            before=around.before if around else 0.0,
            after=around.after if around else 0.0,
            file_rate=options.file_rate,
            resamples=options.other_rates == "resample",
            repairs=options.unreadable == "repair",
            **self.chosen_channels(),
        )

    def chosen_channels(self) -> dict[str, Any]:
        """The arguments of the reader that say which channels are read."""
        raise NotImplementedError

    @property
    def read_array(self) -> Callable[[str], np.ndarray]:  # type: ignore[override]
        """Path → `(channels, time)`; raises Unreadable."""
        return self.reader.read

    @property
    def read_piece(self) -> Callable[[str, int, int], tuple[np.ndarray, tuple[int, ...]]]:  # type: ignore[override]
        """Path, first sample, count → that piece and the shape of the whole; raises Unreadable."""
        return self.reader.read_piece

    @property
    def read_shape(self) -> Callable[[str], tuple[int, ...]]:  # type: ignore[override]
        """Path → `(channels, time)` from the head of the file; raises Unreadable."""
        return self.reader.read_shape

    @property
    def kept_files(self) -> Callable[[str], tuple[list[str], str] | None]:
        """What of its recordings is kept; windows of WFDB records that are taken as they lie are not, unless that is asked for."""
        from trainwright.domains.signals.keeping import KeptFiles

        asked = self.caching is not None and self.caching.cache != "auto"
        return KeptFiles(self.reader, asked, count_still(self.in_workers) > 0, self.window is not None)

    def reading(self) -> dict[str, Any]:
        return asdict(self.reader)

    @property
    def transforms(self) -> list[PartConfig]:
        """What is done with its recordings; each is told the rate and the channels of what it is given."""
        return self.bound()[0]

    def bound(self) -> tuple[list[PartConfig], float, list[str]]:
        """The transforms, and the rate and the channels of what they give."""
        rate, channels, found = self.rate, list(self.channels), []
        for each in self.config.transform:
            if getattr(each, "batched", False):
                why = "a column's recordings come one by one in workers, and as rows on the device"
                where = f"columns.{self.name}.transform"
                raise ConfigError(f"{each.type} has batched", where=where, why=why, fix="leave it out; runs_on: device gives whole batches")
            if isinstance(each, SignalTransformConfig):
                known: dict[str, Any] = {"rate": each.rate or rate or None}
                if "channels" in type(each).model_fields:
                    known["channels"] = getattr(each, "channels", None) or channels or None
                each = each.model_copy(update=known)
                rate = each.rate_after(rate) if rate else rate
                channels = each.channels_after(channels) if channels and hasattr(each, "channels_after") else channels
            found.append(each)
        return found, rate, channels

    def finish(self) -> None:
        known = [(path, facts) for _, _, path in self.found if (facts := _probed(self.reader, path)) is not None]
        if known:
            self.rate = self.config.rate or most_frequent([facts.rate for _, facts in known])
            self.channels = self.name_channels([list(facts.channels) for _, facts in known])
        super().finish()

    def name_channels(self, found: list[list[str]]) -> list[str]:
        """The channels that the model is given, of those of sampled files."""
        raise NotImplementedError

    def extras(self) -> dict[str, Any]:
        """`rate`: steps a second of what the model is given; `channels`: their names there."""
        _, rate, channels = self.bound()
        return {**super().extras(), "rate": rate, "channels": channels}

    def read_from(self, source: Any) -> None:
        super().read_from(source)
        self.told = Counter()

    def look(self, path: str) -> tuple[int, str]:
        length, fault = super().look(path)
        if fault:
            return length, fault + (OTHER_LENGTH if fault.startswith("its shape is") else "")
        facts = self.reader.probe(path)
        self.told.update(facts.warnings)
        if self.rate and facts.rate != self.rate:
            self.told[f"{facts.rate:g} samples a second, resampled to {self.rate:g}"] += 1
        if self.reader.leads is None and self.reader.channel == "mix" and len(facts.channels) > 1:
            self.told[f"{len(facts.channels)} channels, mixed to one (columns.{self.name}.channel)"] += 1
        return length, self._look_at_values(path)

    def _look_at_values(self, path: str) -> str:
        """What is wrong with the values of a recording, where its row may be skipped; what is repaired is counted."""
        if self.config.unreadable == "error":
            return ""
        reader = self.reader
        try:
            look_through(replace(reader, repairs=False), path)
        except Unreadable as error:
            if self.config.unreadable == "skip":
                return str(error)
            self.told["values that are no numbers, filled in"] += 1
            try:
                look_through(reader, path)
            except Unreadable as worse:
                return str(worse)
        return ""

    def remarks(self) -> list[str]:
        said = [f"column '{self.name}': {count:,} files: {what}" for what, count in self.told.most_common()]
        return [*super().remarks(), *said]

    def notes(self) -> list[str]:
        names = ", ".join(self.channels[:12]) + (", …" if len(self.channels) > 12 else "")
        said = f"column '{self.name}': {self.rate:g} samples a second" + (f"; {names}" if names else "")
        return [said, *super().notes()]


class SignalFeature(RecordingFeature):
    """Recordings with named leads."""

    kind = "signal"
    config: SignalOptions

    def chosen_channels(self) -> dict[str, Any]:
        leads = self.channels or self.config.leads
        return {"leads": tuple(leads) if leads else None, "absent": self.config.absent}

    def name_channels(self, found: list[list[str]]) -> list[str]:
        if self.config.leads is not None:
            self._ensure_leads(self.config.leads, list(dict.fromkeys(name for each in found for name in each)), len(found))
            return list(self.config.leads)
        counted = Counter(tuple(name.casefold() for name in each) for each in found)
        most = max(counted, key=lambda names: (counted[names], names))
        return next(each for each in found if tuple(name.casefold() for name in each) == most)

    def _ensure_leads(self, asked: list[str], there: list[str], files: int) -> None:
        """Raise ConfigError for leads that none of the sampled files has, which are no fault of a file."""
        known = {name.casefold() for name in there}
        lacking = [name for name in asked if name.casefold() not in known]
        if not lacking or (self.config.absent == "zeros" and len(lacking) < len(asked)):
            return
        close = {name: nearest(name, there, alike=0.5) for name in lacking}  # V6 for V7
        meant = " ".join(f"'{each}'" + (f" for '{name}'" if len(lacking) > 1 else "") + "?" for name, each in close.items() if each)
        zeros = f"columns.{self.name}.absent=zeros puts zeros where a recording lacks one" if len(lacking) < len(asked) else ""
        fix = " ".join(each for each in (f"did you mean {meant}" if meant else "", zeros) if each) or "name leads that there are"
        why = f"in {files:,} training rows that were looked at there are {', '.join(there[:20])}{', …' if len(there) > 20 else ''}"
        raise ConfigError(f"no recording has the lead {', '.join(lacking)}", where=f"columns.{self.name}.leads", why=why, fix=fix)


class AudioFeature(RecordingFeature):
    """Sounds, of one channel unless all are asked for."""

    kind = "audio"
    config: AudioOptions

    def chosen_channels(self) -> dict[str, Any]:
        return {"channel": self.config.channel}

    def name_channels(self, found: list[list[str]]) -> list[str]:
        count = Counter(map(len, found)).most_common(1)[0][0]
        return [f"channel {place}" for place in range(count)] if self.config.channel == "all" and count > 1 else ["mono"]


def _probed(reader: Reader, path: str) -> Any:
    try:
        return reader.probe(path)
    except Unreadable:
        return None  # told by what reads it next, as the column wants it


def look_through(reader: Reader, path: str) -> None:
    """Read a recording piece by piece; raises Unreadable for the first that cannot be."""
    length = reader.read_shape(path)[-1]
    for first in range(0, length, LOOKED_AT):
        reader.read_piece(path, first, LOOKED_AT)
