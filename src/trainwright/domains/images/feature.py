"""Columns of pictures: a reference for each row, decoded batch by batch to uint8 `(channels, height, width)`, normalised with the batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.data.transforms import NormalizeOptions, on_device
from trainwright.data.transforms.chain import Chain
from trainwright.domains.images.augmentation import default_augmentation, of_column
from trainwright.domains.images.decoder import PictureDecoder
from trainwright.domains.images.options import ChannelScaleConfig, ImageOptions
from trainwright.domains.images.preprocessing import FULL, Preprocessing, in_bytes
from trainwright.domains.images.reading.decoding import read_size
from trainwright.domains.images.reading.kinds import Kind, PictureCounts, pack
from trainwright.domains.images.reading.options import IMAGENET_MEAN, Decoding
from trainwright.domains.images.reading.reader import Reader, is_gray, piece_of_file
from trainwright.domains.images.reading.reference import AWAY
from trainwright.domains.images.reading.row_files import HOW_TO_MEND, NEAR, RowFiles, full_path
from trainwright.domains.images.reading.scanning import scan
from trainwright.domains.images.sizes import choose_sides, describe_sizes
from trainwright.domains.images.smaller import describe_smaller, smaller_rows
from trainwright.domains.images.transforms.options import FitOptions, StoreOptions
from trainwright.features.arrays import apply_transforms
from trainwright.features.base import Counts, one_array
from trainwright.features.file import SHOWN, FileFeature
from trainwright.features.lazy import References
from trainwright.features.npy import Unreadable
from trainwright.features.row_progress import RowProgress
from trainwright.features.words import text_array

SCALES = {"imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))}
"""Mean and deviation of each channel, of values of 0 to 1, that networks were trained with."""


class ImageFeature(FileFeature):
    """Pictures of one size; size, channels, mean and deviation are found in a sample of the training rows where they are not given."""

    kind = "image"
    predictable = False
    traced_as = "trainwright.domains.images.traced:PictureColumn"
    config: ImageOptions
    remembers: ClassVar[tuple[str, ...]] = (*FileFeature.remembers, "sides", "depth", "means", "deviations")

    def __init__(self, config: ImageOptions, name: str, target: bool = False) -> None:
        if target:
            fix = "name the column with the labels as the target; this one is an input"
            raise DataError(f"target '{name}' is a column of pictures, which cannot be predicted", fix=fix)
        super().__init__(config, name, target)
        self.sides: list[int] = []
        """Height and width that the model is given."""
        self.depth = 0
        """Channels."""
        self.means: list[float] = []
        self.deviations: list[float] = []
        """Of each channel, of values as they are in a batch."""
        self.has_mask = False
        """Whether a target has a class for each of its pixels."""
        self.seen = ""
        """The sizes of a sample of the training rows, in words."""
        self.files = RowFiles(None, name, config.root)
        self.counts = PictureCounts(torch.zeros(0, dtype=torch.int64))
        """What the pictures of each row of the source are like, as far as they were decoded, here and in workers."""
        self.faults: dict[int, tuple[str, str]] = {}
        """Row → path and why it cannot be decoded, with `unreadable: skip`."""
        self.scanned = np.zeros(0, bool)
        self._source: Callable[[], Any] = lambda: None

    @property
    def decoding(self) -> Decoding:
        """How its pictures are decoded."""
        options = self.config
        low_high = options.value_range
        return Decoding(
            channels=self.depth or 3,  # type: ignore[arg-type]
            alpha=options.alpha,
            mean=self._colour_of_mean(),
            exif=options.exif,
            frame=options.frame,
            value_range=None if low_high is None else (low_high[0], low_high[1]),
            repairs=options.unreadable == "repair",
            levels="float32" if options.levels == 16 else "uint8",
            max_pixels=options.max_pixels,
            least=self._least(),
        )

    def _colour_of_mean(self) -> tuple[int, int, int]:
        """The colour of `alpha: mean`, 0 to 255: that by which pictures are normalised, where it is known before they are read."""
        chosen = self.config.normalize
        given = chosen.mean if isinstance(chosen, ChannelScaleConfig) else SCALES[chosen][0] if chosen in SCALES else ()
        found = [round(FULL * each) for each in (given if len(given) == 3 else IMAGENET_MEAN)]
        return found[0], found[1], found[2]

    def _least(self) -> tuple[int, int] | None:
        """Height and width that pictures are made smaller to at once, so that none need be decoded much larger; None: decoded whole."""
        if not self.sides:
            return None
        if not self.makes_size:
            height, width = self.sides
            share = self.chosen("crop_pct") if self.chosen("resize") == "crop" else 1.0
            return int(height / share), int(width / share)
        return None if self.config.store is None else (self.config.store, self.config.store)

    @property
    def reader(self) -> Reader:
        """How its pictures are read, here or in a worker."""
        return Reader(self.decoding)

    @property
    def white(self) -> float:
        """What pixels are multiplied by after their transforms, for values of 0 to 255: finer levels are 0 to 1 until then."""
        return FULL if self.config.levels == 16 else 1.0

    @property
    def read_array(self) -> Callable[[str], np.ndarray]:  # type: ignore[override]
        """Reference → `(channels, height, width)`, as large as it is; raises Unreadable."""
        return self.reader.read

    @property
    def read_shape(self) -> Callable[[str], tuple[int, ...]]:  # type: ignore[override]
        """Reference → its shape from the head of the file; raises Unreadable."""
        return self.reader.read_shape

    def reading(self) -> dict[str, Any]:
        return asdict(self.decoding)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How pictures were prepared for the weights that the encoder begins with; None where it begins with none, or does not say."""
        find = getattr(self.config.encoder, "preprocessing", None)
        return None if find is None else find()

    def chosen(self, option: str) -> Any:
        """An option as it was written, else as the encoder's weights want it, else its default."""
        known = self.preprocessing
        written = option in self.config.model_fields_set or known is None
        return getattr(self.config, option) if written else getattr(known, option)

    @property
    def transforms(self) -> list[PartConfig]:
        """At one size first, unless what is done in training makes it; then what is done in training, and what the person asks for.

        Of what is done with batches, pictures of 0 to 255 come before those that are normalised.
        """
        asked = self.asked
        fit = FitOptions(size=self.sides, resize=self.chosen("resize"), crop_pct=self.chosen("crop_pct"), interpolation=self.interpolation)
        before, after = (self.stored(), [fit]) if self.makes_size else ([fit], [])
        scale = [self.normalization()] if self.means else []
        normalized = [each for each in asked if getattr(each, "of_normalized", False)]
        devices = [each for each in asked if on_device(each) and each not in normalized]
        return [*before, *(each for each in asked if not on_device(each)), *after, *devices, *scale, *normalized]

    @property
    def interpolation(self) -> Any:
        """How pictures are resized."""
        return self.chosen("interpolation")

    @property
    def makes_size(self) -> bool:
        """Whether what is done in training, or what the person asks for, makes the size of pictures itself."""
        return any(getattr(each, "makes_size", False) for each in self.asked)

    @property
    def asked(self) -> list[PartConfig]:
        """What is done in training alone, and what the person asks for."""
        return [*self.augmentation, *of_column(self.config.transform, self.sides)]

    @property
    def augmentation(self) -> list[PartConfig]:
        """What is done in training alone."""
        given = self.config.augment
        if given == "none":
            return []
        chosen = default_augmentation(self.sides, self.has_mask) if given == "default" else list(given)
        return [each.model_copy(update={"applies_in": "train"}) for each in of_column(chosen, self.sides)]

    def stored(self) -> list[PartConfig]:
        """What gives pictures the size at which they are kept, where they are made smaller."""
        size = self.config.store
        return [] if size is None else [StoreOptions(size=size, interpolation=self.interpolation)]

    def normalization(self) -> NormalizeOptions:
        """What is done with a batch of uint8 on the device."""
        return NormalizeOptions(mean=self.means, std=self.deviations, dim=0, runs_on="device")

    def finish(self) -> None:
        sampled = [found for _, _, path in self.found if (found := self._size_of(path)) is not None]
        self.depth = self._find_channels([path for _, _, path in self.found])
        known = self.preprocessing
        sizes = [(height, width) for height, width, _ in sampled]
        self.seen, usual = describe_sizes(sizes), choose_sides(sizes, self.config.largest)
        self.sides = list(self.config.sides or (usual if known is None else known.size))
        paths = [(row, path) for _, row, path in self.found]
        self.means, self.deviations = [], []
        super().finish()
        self.raw_shape = [self.depth, None, None]  # those of a sample may all be of one size by chance
        self.center, self.spread = 0.0, 1.0
        self.means, self.deviations = self._scales(paths)
        self.prepare()

    def _size_of(self, path: str) -> tuple[int, int, int] | None:
        try:
            return read_size(path, self.decoding)
        except Unreadable:
            return None  # told by what reads it next, as the column wants it

    def _find_channels(self, paths: list[str]) -> int:
        """Those that are asked for; else 1 where every sampled picture is gray, 4 with `alpha: keep`, and 3."""
        given = self.config.channels
        if given != "auto":
            return given
        if self.config.alpha == "keep":
            return 4
        decoding = replace(self.decoding, channels=None)
        seen = [gray for path in paths if (gray := is_gray(path, decoding)) is not None]
        return 1 if seen and all(seen) else 3

    def _scales(self, sampled: list[tuple[int, str]]) -> tuple[list[float], list[float]]:
        """Mean and deviation of each channel, as values are in a batch."""
        chosen = self.config.normalize
        if chosen == "none":
            return [0.0] * self.depth, [FULL] * self.depth
        if isinstance(chosen, ChannelScaleConfig):
            return in_bytes(chosen.mean, self.depth), in_bytes(chosen.std, self.depth)
        if chosen != "auto":
            return in_bytes(SCALES[chosen][0], self.depth), in_bytes(SCALES[chosen][1], self.depth)
        if (known := self.preprocessing) is not None:
            return in_bytes(known.mean, self.depth), in_bytes(known.std, self.depth)
        chain = Chain([each for each in self.transforms if not on_device(each)], training=False)
        count, total, squares = 0, np.zeros(self.depth), np.zeros(self.depth)
        for row, path in sampled:
            try:
                pixels = apply_transforms(chain, torch.from_numpy(self.read_array(path)), self.name, row, path).double().flatten(1)
            except Unreadable:
                continue
            pixels *= self.white
            count += pixels.shape[1]
            total += pixels.sum(1).numpy()
            squares += pixels.square().sum(1).numpy()
        mean = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        return mean.tolist(), np.where(deviation > 0, deviation, 1.0).tolist()

    # its files

    def read_from(self, source: Any) -> None:
        """Paths are relative to the files of this source, or to the folder asked for, from here on."""
        files = RowFiles(source, self.name, self.config.root)
        self.folders, self.unusable = files.folders, {}
        if self._source() is not source:
            shared = torch.zeros(files.rows, dtype=torch.int64)
            shared.share_memory_()  # type: ignore[no-untyped-call]
            self.counts, self.faults, self.scanned = PictureCounts(shared), {}, np.zeros(files.rows, bool)
        self.files, self._source = files, weakref.ref(source)

    def path(self, row: int, written: str) -> str:
        return self.files.path(row, written)

    @property
    def kept_files(self) -> Callable[[str], tuple[list[str], str] | None]:
        """Reference → its file, and which piece of it."""
        return piece_of_file

    def look(self, path: str) -> tuple[int, str]:
        """Whether there is such a file; what is in it is seen when it is decoded."""
        return 1, self.files.say_missing(path) if self.files.absent(pa.array([path]))[0] else ""

    def dropped(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        """Rows without a path; with `unreadable: skip` also those that cannot be decoded: each is, once, before training."""
        absent = self.absent(values, rows) if self.policy == "drop" else None
        if self.config.unreadable != "skip":
            return absent
        self._scan(values, rows)
        bad = np.isin(rows, list(self.faults))
        for row in rows[bad][:SHOWN].tolist():
            self._remember(row, *self.faults[row])
        bad = bad if absent is None else bad | absent
        return bad if bad.any() else None

    def _scan(self, values: pa.Array, rows: np.ndarray) -> None:
        """Decode those of some rows that were not yet, in parallel with progress; what cannot be is in `faults`."""
        new = ~self.scanned[rows]
        if not new.any():
            return
        with RowProgress(int(new.sum()), f"column '{self.name}'") as told:
            chosen = values.filter(pa.array(new))
            found = self.check_rows(chosen, rows[new], told)
        paths = self.files.paths(text_array(chosen, self.name), rows[new])
        places = dict(zip(rows[new].tolist(), range(len(chosen)), strict=True))
        self.faults |= {row: (paths[places[row]].as_py(), fault) for row, fault in found.items()}
        self.scanned[rows[new]] = True

    def check_rows(self, values: pa.Array, rows: np.ndarray, told: Callable[[int, int], None]) -> dict[int, str]:
        paths = self.files.paths(text_array(values, self.name), rows)
        lacking = self.files.absent(paths)
        there = np.flatnonzero(~lacking & ~np.asarray(paths.is_null()))
        away = np.flatnonzero(lacking).tolist()
        missing = {int(rows[at]): self.files.say_missing(paths[at].as_py(), near=place < NEAR) for place, at in enumerate(away)}
        base = self.files.base
        places = ((int(rows[at]), full_path(paths[int(at)].as_py(), base)) for at in there)
        channels: Any = self.depth or None
        decoding = replace(self.decoding, repairs=False, channels=channels, least=None)
        found = scan(places, decoding, lambda looked, broken: told(looked + len(missing), broken + len(missing)), len(there))
        found.write_to(self.counts)
        for row in missing:
            self.counts.note(row, pack(Kind.UNREADABLE, 0, 0))
        return missing | found.faults

    def how_to_mend(self, faults: Sequence[str]) -> str:
        if all(each.startswith(AWAY) for each in faults):
            return HOW_TO_MEND.format(name=self.name)
        return super().how_to_mend(faults)

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        if self.config.unreadable == "error":
            paths = self.files.paths(text_array(values, self.name), rows)
            self._refuse_absent(paths, self.files.absent(paths), rows)
        super().observe(values, rows)

    def refer(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> References:
        """The path of each row; raises DataError naming the first rows whose file is not there, unless they are skipped or repaired."""
        self.note_missing(self.absent(values, rows), rows, counts)
        paths = self.files.paths(text_array(values, self.name), rows)
        lacking = self.files.absent(paths)
        if lacking.any():
            if self.config.unreadable == "error":
                self._refuse_absent(paths, lacking, rows)
            for row in rows[lacking].tolist():
                self.counts.note(row, pack(Kind.UNREADABLE, 0, 0))
            for place in np.flatnonzero(lacking)[:SHOWN]:
                self._remember(int(rows[place]), paths[int(place)].as_py(), self.files.say_missing(paths[int(place)].as_py()))
            paths = pc.if_else(pa.array(lacking), pa.scalar(None, paths.type), paths)
            if counts is not None:
                counts.invalid += int(lacking.sum())
        return References(paths.cast(pa.string()), np.asarray(paths.is_valid()).astype(np.int64))

    def _refuse_absent(self, paths: pa.Array, lacking: np.ndarray, rows: np.ndarray) -> None:
        """Raise DataError naming the first rows whose file is not there, with the nearest paths that are."""
        if lacking.any():
            named = paths.filter(pa.array(lacking)).to_pylist()
            refusal = self.files.refusal(self.name, self._source(), rows[lacking], named, self.place)
            raise refusal.of_rows(f"column '{self.name}' names a file that is not there", rows[lacking], named)

    def notes(self) -> list[str]:
        """What was found in a sample of the training rows, and how the network is given it."""
        colours = {1: "gray", 3: "RGB", 4: "RGB with opacity"}[self.depth]
        given = f"given as {self.sides[1]}×{self.sides[0]} {colours} ({self.chosen('resize')}, {self.interpolation})"
        scale = ", ".join(f"{mean:.4g} ± {spread:.4g}" for mean, spread in zip(self.means, self.deviations, strict=True))
        drawn = ", ".join(each.type for each in self.augmentation) or "nothing"
        return [
            f"column '{self.name}': pictures of {self.seen or 'many sizes'}, {given}; normalised by {scale}",
            f"column '{self.name}': in training {drawn} (columns.{self.name}.augment)",
            *self.remarks(),
        ]

    def last_remarks(self) -> list[str]:
        known = len(self.unusable)
        self._learn_faults()
        return [*(super().remarks() if len(self.unusable) > known else []), *self.counts.remarks(self.name), *self.early_remarks()]

    def early_remarks(self) -> list[str]:
        return describe_smaller(self, self._source())

    def _learn_faults(self) -> None:
        """Why the first pictures that are kept as missing cannot be read: workers count them, and these few are decoded here again."""
        source, rows = self._source(), np.array(self.counts.rows(Kind.UNREADABLE, SHOWN), np.int64)
        rows = rows[~self.scanned[rows]]
        if source is None or not len(rows):
            return
        self._scan(one_array(source.read(rows, [self.name])[self.name]), rows)
        for row in sorted(self.faults.keys() & rows.tolist()):
            self._remember(row, *self.faults[row])

    def remarks(self) -> list[str]:
        """The first rows left out or repaired, and what pictures were like, as far as they were decoded."""
        return [*super().remarks(), *self.counts.remarks(self.name)]

    def record(self) -> dict[str, Any]:
        """What was found in its files, for results.json: how many were decoded, of which kinds, and the first that cannot be read."""
        self._learn_faults()
        unusable = [{"row": row, "file": path, "reason": fault} for row, (path, fault) in sorted(self.faults.items())[:SHOWN]]
        small = {"smaller": len(small)} if len(small := smaller_rows(self)) else {}
        return {"decoded": self.counts.decoded, **self.counts.summary(), **small, **({"first_unreadable": unusable} if unusable else {})}

    @property
    def is_sequence(self) -> bool:
        return False

    def decoder(self, training: bool) -> PictureDecoder:
        return PictureDecoder(self, training)
