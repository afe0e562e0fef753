"""A column of paths to arrays, which are read batch by batch; a subclass that reads them otherwise is a column of other files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, DataError
from trainwright.config.model import PartConfig
from trainwright.data.counters import fold, fold_each
from trainwright.data.transforms import on_device
from trainwright.features.base import Counts, PartLayout, refuse_other_type
from trainwright.features.lazy import LazyFeature, References
from trainwright.features.npy import Unreadable, how_to_mend, read_array, read_header, read_piece, shape_fault
from trainwright.features.options import FileOptions
from trainwright.features.places import Folders
from trainwright.features.spec import TargetSpec
from trainwright.features.words import text_array

if TYPE_CHECKING:
    from trainwright.data.cache.samples import SampleCache

SAMPLE = 256
"""Training rows whose files are read to find shape, mean and deviation."""
SHOWN = 5
"""Rows that are named whose files are left out or repaired."""
POSITION_METRICS = ("accuracy", "balanced_accuracy", "f1")
"""What is measured of classes at positions: all made of counts, so that nothing is held however many positions there are."""
SEQUENCE_ENCODERS = ("conv", "rnn", "transformer")
"""Encoders that read an array along its first dimension and need its length."""


class FileFeature(LazyFeature):
    """Arrays in files; part `value` is scaled, with `missing` where rows may be missing, or with `length` where it is a sequence.

    As a target an array of whole numbers: a class at every position of the row.
    """

    kind = "file"
    predictable = True
    config: FileOptions
    remembers: ClassVar[tuple[str, ...]] = ("raw_shape", "shape", "ragged", "center", "spread", "sampled")
    counts_as = "are paths of files that cannot be read"
    axis: ClassVar[int] = 0
    """The dimension that windows are cut along and in which sequences may differ: the first, or -1 for the last."""

    def __init__(self, config: FileOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        if target:
            _check_target_options(name, config)
        self.raw_shape: list[Any] = []
        """Shape of the arrays in the files; None for what differs."""
        self.shape: list[int] = []
        """Shape of what batches are made of; of sequences the longest that was seen."""
        self.given_shape: list[int] = []
        """Shape of what the model is given, after what is done to batches."""
        self.ragged = False
        """Whether arrays differ in their first dimension after the transforms."""
        self.center, self.spread, self.sampled = 0.0, 1.0, 0
        self.folders = Folders(None)
        self.unusable: dict[int, str] = {}
        """Row → path and fault, of the first rows whose file is left out or repaired."""
        self.count = 0
        """As a target: how many classes there are."""
        self.opened: tuple[SampleCache | None] | None = None
        """What keeps its samples, once that was asked for."""
        self.found: list[tuple[int, int, str]] = []
        """(key, row, path) of the sampled rows: those with the smallest keys."""

    @staticmethod
    def read_array(path: str) -> np.ndarray:
        """The array in a file, here or in a worker; raises Unreadable."""
        return read_array(path)

    @property
    def transforms(self) -> list[PartConfig]:
        """What is done with its arrays, in order."""
        return list(self.config.transform)

    @property
    def in_workers(self) -> list[PartConfig]:
        """The transforms of arrays where they are read."""
        return [each for each in self.transforms if not on_device(each)]

    @property
    def on_batches(self) -> list[PartConfig]:
        """The transforms of whole batches of them."""
        return [each for each in self.transforms if on_device(each)]

    def reading(self) -> dict[str, Any]:
        """What else than the files decides what is read of them, in JSON types."""
        return {}

    @property
    def kept_files(self) -> Callable[[str], tuple[list[str], str] | None]:
        """Reference → the files that its array is made of and which part of them, where the array is worth keeping; else None."""
        return whole_file

    @classmethod
    def read_piece(cls, path: str, first: int, count: int) -> tuple[np.ndarray, tuple[int, ...]]:
        """Some entries of its first dimension, and the shape of the whole; of other files all are read first. Raises Unreadable."""
        if cls.read_array is FileFeature.read_array:
            return read_piece(path, first, count)
        array = cls.read_array(path)
        return array[first : first + count], array.shape

    @staticmethod
    def read_shape(path: str) -> tuple[int, ...]:
        """Its shape, asked for every row before the first step and therefore read from the head of the file; raises Unreadable."""
        return read_header(path).shape

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        absent = self.absent(values, rows)
        self.note_missing(absent, rows)
        self.fitted_rows += len(values)
        self.missing_in_training += 0 if absent is None else int(absent.sum())
        there = np.ones(len(values), bool) if absent is None else ~absent
        keys = fold_each(fold(self.seed, "sampled files"), rows)
        limit = self.found[-1][0] if len(self.found) == SAMPLE else 1 << 64
        chosen = np.flatnonzero(there & (keys < np.uint64(min(limit, (1 << 64) - 1))))
        chosen = chosen[np.argsort(keys[chosen], kind="stable")][:SAMPLE]
        texts = text_array(values, self.name).take(pa.array(chosen)).to_pylist()
        more = [(int(keys[at]), int(rows[at]), self.path(int(rows[at]), text)) for at, text in zip(chosen, texts, strict=True)]
        self.found = sorted([*self.found, *more])[:SAMPLE]

    def finish(self) -> None:
        from trainwright.features.array_facts import find_facts

        sampled = [(row, path) for _, row, path in self.found]
        options = self.config.model_copy(update={"transform": self.transforms})
        facts = find_facts(self.name, options, sampled, self.place, self, self.window)
        self.raw_shape, self.shape, self.ragged, self.sampled = facts.raw_shape, facts.shape, facts.ragged, facts.sampled
        self.center, self.spread = facts.center, facts.spread
        self.found = []
        if self.target:
            from trainwright.features.masks import check_mask

            self.count, self.center, self.spread = check_mask(self.name, facts, self.config.classes), 0.0, 1.0
        self.prepare()

    def state(self) -> dict[str, Any]:
        return {**super().state(), **({"count": self.count} if self.target else {})}

    @classmethod
    def restore(cls, config: Any, name: str, state: dict[str, Any], target: bool = False) -> Self:
        feature = super().restore(config, name, state, target)
        if target:
            refuse_other_type(name, "count", state.get("count"), 0)
            feature.count = int(state["count"])
        return feature

    def prepare(self) -> None:
        self.given_shape = list(self.shape)
        if self.on_batches:
            from trainwright.features.array_batches import shape_in_batches

            self.given_shape = shape_in_batches(self.name, self.on_batches, self.shape, self.is_sequence, self.axis)

    def extras(self) -> dict[str, Any]:
        """`transform`: what is done to batches of it, where anything is."""
        return {"transform": self.on_batches} if self.on_batches else {}

    def read_from(self, source: Any) -> None:
        """Paths are relative to the files of this source from here on."""
        self.folders, self.unusable = Folders(source), {}

    def path(self, row: int, written: str) -> str:
        """The path of a row, as it is from here."""
        return self.folders.path(row, written)

    @property
    def is_sequence(self) -> bool:
        """Whether a model reads the array along its first dimension, up to a length."""
        encoder = self.config.encoder.type if self.config.encoder else ""
        return self.ragged or (encoder in SEQUENCE_ENCODERS and 0 < len(self.shape) <= 2)

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        return tuple(self.raw_shape)

    def layout(self) -> dict[str, PartLayout]:
        """The parts of a batch; sequences may be shorter or longer than what `value` says, unless they are padded to a length."""
        if self.is_sequence:
            return {"value": PartLayout(tuple(self.given_shape), np.float32), "length": PartLayout((), np.int64)}
        parts = {"value": PartLayout(tuple(self.given_shape) or (1,), np.float32)}
        return {**parts, "missing": PartLayout((), np.float32)} if self.has_indicator else parts

    def notes(self) -> list[str]:
        """What was found in which rows, and what was not looked for."""
        if self.target:
            return [f"target '{self.name}': {self.count} classes at {'×'.join(map(str, self.shape))} positions; its files are not compared"]
        shape = "×".join("?" if each is None else str(each) for each in self.raw_shape) or "one number"
        found = f"column '{self.name}': arrays of {shape}, as in {self.sampled:,} training rows"
        scaled = "" if self.config.scale == "none" else f"; scaled by mean {self.center:.6g} and deviation {self.spread:.6g}"
        return [
            f"{found}{scaled}",
            f"column '{self.name}': the numbers in files are not compared to find leaks and duplicates; baselines do not read them",
            *self.remarks(),
        ]

    def remarks(self) -> list[str]:
        """The first rows of a source whose files are left out or repaired, with path and fault; how many there are is said elsewhere."""
        if not self.unusable:
            return []
        rows = np.array(sorted(self.unusable))
        done = "left out" if self.config.unreadable == "skip" else "taken as missing"
        shown = self.listed(rows, [self.unusable[row] for row in rows.tolist()], quoted=False)
        return [f"column '{self.name}': files that cannot be read, {done}: {shown}"]

    @property
    def drops(self) -> bool:
        return super().drops or self.config.unreadable == "skip" or self.drops_short

    @property
    def drops_short(self) -> bool:
        """Whether a row that is shorter than a window is left out."""
        return self.window is not None and self.window.rest == "drop"

    @property
    def lacking(self) -> str:
        """What rows that are left out lack, in words."""
        return "no usable value, or fewer entries than a window," if self.drops_short else super().lacking

    def dropped(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        """Rows without a path, with `unreadable: skip` those whose file cannot be read, and those without a window."""
        absent = super().dropped(values, rows)
        if not self.drops_short and self.config.unreadable != "skip":
            return absent
        bad = np.zeros(len(values), bool) if absent is None else absent.copy()
        for at, text in enumerate(text_array(values, self.name).to_pylist()):
            bad[at] |= text is not None and self._leaves_out(int(rows[at]), self.path(int(rows[at]), text))
        return bad if bad.any() else None

    def _leaves_out(self, row: int, path: str) -> bool:
        length, fault = self.look(path)
        if fault and self.config.unreadable == "skip":
            self._remember(row, path, fault)
            return True
        return not fault and self.drops_short and length < self.window.length  # type: ignore[union-attr]

    def _remember(self, row: int, path: str, fault: str) -> None:
        if len(self.unusable) < SHOWN or row in self.unusable:
            self.unusable[row] = f"'{path}' ({fault})"

    def check_rows(self, values: pa.Array, rows: np.ndarray, told: Callable[[int, int], None]) -> dict[int, str]:
        found: dict[int, str] = {}
        for at, (row, text) in enumerate(zip(rows.tolist(), text_array(values, self.name).to_pylist(), strict=True)):
            fault = "" if text is None else self._check_whole(self.path(row, text))
            if fault:
                found[row] = fault
            told(at + 1, len(found))
        return found

    def _check_whole(self, path: str) -> str:
        """Why a file cannot be used, all of it read; empty where it can."""
        fault = self.look(path)[1]
        if fault:
            return fault
        try:
            self.read_array(path)
        except Unreadable as error:
            return str(error)
        return ""

    def look(self, path: str) -> tuple[int, str]:
        """How long an array is, and why its file cannot be used, from its header alone; nothing where it can."""
        try:
            shape = self.read_shape(path)
        except Unreadable as error:
            return 0, str(error) or "it cannot be read"
        wanted = self.raw_shape if self.sampled else self.config.shape
        fault = "" if wanted is None else shape_fault(shape, wanted)
        return (shape[self.axis] if shape else 1), fault

    def refer(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> References:
        """The path of each row; raises DataError naming rows whose file cannot be read, unless they are repaired."""
        self.note_missing(self.absent(values, rows), rows, counts)
        paths = [
            None if text is None else self.path(int(row), text)
            for row, text in zip(rows, text_array(values, self.name).to_pylist(), strict=True)
        ]
        looks = [(0, "") if path is None else self.look(path) for path in paths]
        faults = {at: fault for at, (_, fault) in enumerate(looks) if fault}
        if faults and self.config.unreadable == "error":
            at = np.array(list(faults))
            said = [f"'{paths[place]}' ({faults[place]})" for place in faults]
            raise DataError(
                f"column '{self.name}' names files that cannot be read: {self.listed(rows[at], said, quoted=False)}",
                fix=how_to_mend(self.name, faults.values(), "them"),
            ).of_rows(f"column '{self.name}' names a file that cannot be read", rows[at], [paths[place] for place in faults])
        for place, fault in faults.items():
            self._remember(int(rows[place]), str(paths[place]), fault)
        if counts is not None:
            counts.invalid += len(faults)
        lengths = np.array([0 if fault else length for length, fault in looks], np.int64)
        return References(pa.array([None if at in faults else path for at, path in enumerate(paths)], pa.string()), lengths)

    def target_spec(self) -> TargetSpec:
        """A category at every position."""
        named = self.config.classes if isinstance(self.config.classes, list) else [str(each) for each in range(self.count)]
        options, metrics = self.config, [choose("metric", name) for name in POSITION_METRICS]
        return TargetSpec(
            self.name,
            "category",
            self.count,
            named,
            options.weight,
            options.loss,
            options.decoder or choose("decoder", "positions"),
            options.metrics or metrics,
            positions=tuple(self.shape),
        )

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        from trainwright.features.masks import answers

        return answers(self.name, outputs["scores"], self.config.classes if isinstance(self.config.classes, list) else None)

    def sample_cache(self) -> SampleCache | None:
        """What keeps its arrays after the transforms that draw nothing; made when it is asked for first."""
        if self.caching is not None and self.opened is None:
            from trainwright.features.kept import keep_arrays

            self.opened = (keep_arrays(self, plain=type(self).read_array is FileFeature.read_array),)
        return None if self.opened is None else self.opened[0]

    def decoder(self, training: bool) -> Any:
        """What reads the arrays, here or in a worker."""
        if self.target:
            from trainwright.features.masks import MaskDecoder

            return MaskDecoder(self, training)
        from trainwright.features.arrays import ArrayDecoder

        return ArrayDecoder(self, training)


def whole_file(path: str) -> tuple[list[str], str]:
    """A file that is one array."""
    return [path], ""


def _check_target_options(name: str, config: FileOptions) -> None:
    """Raise ConfigError for options that a column of files cannot have as a target."""
    wrong = {
        "unreadable": config.unreadable == "repair" and "a truth that cannot be read is no truth: skip leaves its row out",
        "missing": config.missing == "indicator" and "rows without a target are left out: missing: drop",
        "transform": any(map(on_device, config.transform)) and "targets are transformed where they are read: runs_on: worker",
        "bucket": config.bucket is not None and "batches are made by the length of an input",
        "scale": config.scale == "standard" and "classes are not scaled",
    }
    for option, why in wrong.items():
        if why:
            raise ConfigError(f"`{option}` cannot be so for the target '{name}'", where=f"columns.{name}.{option}", why=why)
