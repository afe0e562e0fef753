"""Columns of masks: a reference for each row, decoded batch by batch to the class of every pixel of the row's picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.model import PartConfig
from trainwright.data.transforms import CastOptions, CenterCropOptions, NormalizeOptions, RandomCropOptions, on_device
from trainwright.domains.images.masks.answers import MOST, name_files, unfit, write_masks
from trainwright.domains.images.masks.files import MaskReader, read_palette, reader_of, show_values, spread_colours
from trainwright.domains.images.masks.options import MaskOptions
from trainwright.domains.images.reading.row_files import full_path
from trainwright.domains.images.resizing import plan_fit
from trainwright.features.array_facts import common_shape
from trainwright.features.base import Feature
from trainwright.features.file import FileFeature
from trainwright.features.lazy import References
from trainwright.features.masks import IGNORED, MaskDecoder, answers
from trainwright.features.npy import Unreadable, how_to_mend
from trainwright.features.spec import TargetSpec
from trainwright.report.figures import plural

COMPARED = 20_000
"""Rows whose mask and picture are compared in size before the first step, at most; they are evenly spread."""
FEW = 5
"""Rows that are named."""


class MaskFeature(FileFeature):
    """Masks that go with the pictures of a column: they get its size, and what moves its pixels moves theirs."""

    kind = "mask"
    traced_as = "file"
    config: MaskOptions
    remembers: ClassVar[tuple[str, ...]] = (*FileFeature.remembers, "shares", "colours")

    def __init__(self, config: MaskOptions, name: str, target: bool = False) -> None:
        if not target:
            fix = f"name it as the target (--target {name}), or leave it out: columns.{name}.type=ignore"
            raise DataError(f"column '{name}' is of masks, which are predicted and never an input", fix=fix)
        super().__init__(config, name, target)
        self.shares: list[float] = []
        """Of each class, in a sample of the training rows: its share of the pixels that count."""
        self.colours: list[list[int]] = []
        """Of each class, 0 to 255, for the masks that are written."""
        self.picture: Any = None
        """The column of pictures that it follows."""

    @property
    def reader(self) -> MaskReader:
        """How its masks are read, here or in a worker."""
        classes = self.count or (self.config.classes if isinstance(self.config.classes, int) else len(self.config.classes or []) or None)
        return reader_of(self.name, self.config.palette, self.config.ignore_index, classes)

    @property
    def read_array(self) -> Callable[[str], np.ndarray]:  # type: ignore[override]
        """Reference → classes `(height, width)`, −100 where a pixel does not count; raises Unreadable."""
        return self.reader.read

    @property
    def read_shape(self) -> Callable[[str], tuple[int, ...]]:  # type: ignore[override]
        """Reference → `(height, width)` from the head of the file; raises Unreadable."""
        return self.reader.read_shape

    def reading(self) -> dict[str, Any]:
        return asdict(self.reader)

    @property
    def names(self) -> list[str]:
        """What the classes are called."""
        given = self.reader.names or self.config.classes
        return list(given) if isinstance(given, list) else [str(each) for each in range(self.count)]

    @property
    def transforms(self) -> list[PartConfig]:
        """What is done with the pictures that it follows, as far as it moves pixels; then what the person asks for."""
        return [*self.followed(), *self.config.transform]

    def followed(self) -> list[PartConfig]:
        """What moves the pixels of its pictures. Raises ConfigError for transforms of which that is not known."""
        found = [] if self.picture is None else [self._for_masks(each) for each in self.picture.transforms]
        return [each for each in found if each is not None]

    def _for_masks(self, transform: PartConfig) -> PartConfig | None:
        """A transform of pictures as one of their masks; None where it moves no pixel. Raises ConfigError where that is unknown."""
        fields = type(transform).model_fields
        if isinstance(transform, NormalizeOptions | CastOptions):
            return None
        if isinstance(transform, RandomCropOptions | CenterCropOptions) and isinstance(transform.size, list) and len(transform.size) == 2:
            return transform  # they cut the last two dimensions of either, and draw alike
        if "on" in fields:
            if on_device(transform):
                raise self._unknown(transform, "masks are moved where they are read", f"set runs_on: worker for {transform.type}")
            return transform.model_copy(update={"on": "mask"})
        why = "it is not known whether it moves pixels"
        raise self._unknown(transform, why, f"use a transform of this package instead of {transform.type}, or leave it out")

    def _unknown(self, transform: PartConfig, why: str, fix: str) -> ConfigError:
        where = f"columns.{self.picture.name}.augment"
        return ConfigError(f"{transform.type} cannot be done to the masks of '{self.name}' alike", where=where, why=why, fix=fix)

    def finish(self) -> None:
        sampled = [(row, path) for _, row, path in self.found]
        self.found = []
        sizes, counts = self._look_at(sampled)
        if not sizes:
            raise DataError(f"target '{self.name}' has no readable mask in the training rows", fix="name files there are")
        self.raw_shape, self.sampled = common_shape(self.name, sizes), len(sizes)
        self.count = self._classes(counts)
        total = sum(count for number, count in counts.items() if number != IGNORED)
        self.shares = [counts[number] / max(total, 1) for number in range(self.count)]
        self.colours = [list(each) for each in self._colours([path for _, path in sampled])]
        self.shape = [each for each in self.raw_shape if each is not None]
        self.prepare()

    def _look_at(self, sampled: Sequence[tuple[int, str]]) -> tuple[list[tuple[int, ...]], Counter[int]]:
        """The sizes of some masks, and how often each class is in them. Raises DataError for one that cannot be read."""
        sizes: list[tuple[int, ...]] = []
        counts: Counter[int] = Counter()
        for row, path in sampled:
            try:
                mask = self.read_array(path)
            except Unreadable as error:
                if self.config.unreadable == "error":
                    what, fix = f"column '{self.name}' has a mask that cannot be read", how_to_mend(self.name, [str(error)], "it")
                    raise DataError(what, where=self.place(row), why=f"{path}: {error}", fix=fix) from error
                continue
            found, numbers = np.unique(mask, return_counts=True)
            counts.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
            sizes.append(mask.shape)
        return sizes, counts

    def _classes(self, counts: Counter[int]) -> int:
        """How many classes there are, as told or as seen. Raises DataError for fewer than two, and for more than are told."""
        seen = {number: count for number, count in counts.items() if number != IGNORED}
        told = self.reader.names or self.config.classes
        largest = max(seen, default=-1)
        values = ", ".join(f"{number} ×{seen[number]:,}" for number in sorted(seen)[:8]) or "none"
        values += f", left out ×{counts[IGNORED]:,}" if counts[IGNORED] else ""
        if told:
            count = told if isinstance(told, int) else len(told)
            if largest >= count:
                left_out = f"say what is left out: columns.{self.name}.ignore_index"
                fix = f"name all classes: columns.{self.name}.classes={largest + 1}, or {left_out}"
                raise DataError(f"target '{self.name}' has values outside its {count} classes", why=f"seen: {values}", fix=fix)
            return count
        if largest < 1:
            black_and_white = f"columns.{self.name}.palette={{background: 0, object: 255}} where 255 is a class, "
            fix = f"{black_and_white if counts[IGNORED] else ''}or say how many classes there are: columns.{self.name}.classes=2"
            raise DataError(f"target '{self.name}' has one class alone in the sampled training rows", why=f"seen: {values}", fix=fix)
        return largest + 1

    def _colours(self, paths: Sequence[str]) -> list[Sequence[int]]:
        """Colours of the classes: those of the palette that is told or that the first file has, else those of PASCAL VOC."""
        told = [value for name, value in self.reader.palette if name in self.reader.names]
        if told and isinstance(told[0], tuple):
            return list(told)  # type: ignore[arg-type]
        for path in paths[:1]:
            try:
                found = read_palette(path)
            except Unreadable:
                continue
            if len(found) >= self.count and len(set(found[: self.count])) == self.count and not self.config.palette:
                return list(found[: self.count])
        return list(spread_colours(self.count))

    def follow(self, others: Mapping[str, Feature], inputs: Sequence[str]) -> None:
        pictures = [name for name in inputs if others[name].kind == "image"]
        chosen = self.config.draws_as or (pictures[0] if len(pictures) == 1 else "")
        if not chosen and pictures:
            what, fix = (
                f"the masks of '{self.name}' go with several columns of pictures: {', '.join(pictures)}",
                "name the column they are of",
            )
            raise ConfigError(what, where=f"columns.{self.name}.draws_as", fix=fix)
        if chosen in pictures:
            self.picture, self.follows = others[chosen], chosen
            self.config = self.config.model_copy(update={"draws_as": chosen})

    def meet(self, others: Mapping[str, Feature], inputs: Sequence[str]) -> None:
        self.follow(others, inputs)
        if self.picture is None:
            if None in self.raw_shape:
                what = f"the masks of '{self.name}' have several sizes, and there is no column of pictures whose size they get"
                raise ConfigError(what, where=f"columns.{self.name}", fix="give the pictures as an input of type image")
            return
        self.picture.has_mask = True
        self.shape = list(self.picture.shape[-2:])
        self.prepare()
        self.followed()  # raises for what masks cannot follow, before anything is read

    def look(self, path: str) -> tuple[int, str]:
        """Its height, and why it cannot be used, from its header alone; nothing where it can."""
        try:
            return self.read_shape(path)[0], ""
        except Unreadable as error:
            return 0, str(error) or "it cannot be read"

    def ensure_pairs(self, own: References, others: References, rows: np.ndarray) -> None:
        """Raises DataError for masks of another size than their pictures."""
        some = np.arange(0, len(rows), max(-(-len(rows) // COMPARED), 1))
        wrong = self._mismatched(own.take(some), others.take(some), rows[some])
        if not wrong:
            return
        listed = [f"{mask} is {_times(size)}, its picture {_times(other)}" for _, mask, size, other in wrong[:FEW]]
        turned = all(size == other[::-1] for _, _, size, other in wrong)
        why = self._as_they_lie if turned else "a mask has the class of every pixel"
        shown = self.listed(np.array([each[0] for each in wrong]), listed, quoted=False)
        masks = plural(len(wrong), f"mask of '{self.name}' has", f"masks of '{self.name}' have")
        what = f"{masks} another size than {'its picture' if len(wrong) == 1 else 'their pictures'}: {shown}"
        raise DataError(what, why=why, fix="write masks of the size of their pictures, or leave these rows out")

    def unpaired(self, own: References, others: References, rows: np.ndarray) -> dict[int, str]:
        return {
            row: f"it is {_times(size)}, its picture {_times(other)}" + (f" ({self._as_they_lie})" if size == other[::-1] else "")
            for row, _, size, other in self._mismatched(own, others, rows)
        }

    def _mismatched(self, own: References, others: References, rows: np.ndarray) -> list[tuple[int, str, tuple[int, ...], tuple[int, ...]]]:
        """Row, mask, its size and that of its picture, where these are two."""
        pairs = zip(rows.tolist(), own.places.to_pylist(), others.places.to_pylist(), strict=True)
        there = [(row, mask, picture) for row, mask, picture in pairs if mask is not None and picture is not None]
        return [(row, mask, *sizes) for row, mask, picture in there if (sizes := self._sizes(mask, picture)) and sizes[0] != sizes[1]]

    @property
    def _as_they_lie(self) -> str:
        return f"columns.{self.follows}.exif=false takes pictures as they lie in the file"

    def _size_of_picture(self, reference: str) -> tuple[int, int]:
        """Height and width, upright, by a reference as the column of pictures keeps it. Raises Unreadable."""
        height, width = self.picture.read_shape(full_path(reference, self.picture.files.base))[-2:]
        return height, width

    def _sizes(self, mask: str, picture: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        try:
            return tuple(self.read_shape(mask)), self._size_of_picture(picture)
        except Unreadable:
            return None  # told where it is read, as its column wants it

    def notes(self) -> list[str]:
        size, names = "×".join(map(str, self.shape)), ", ".join(self.names[:8]) + (", …" if self.count > 8 else "")
        shares = ", ".join(f"{share:.3g}" for share in self.shares[:8])
        absent = [name for name, share in zip(self.names, self.shares, strict=True) if not share]
        sample = plural(self.sampled, "mask")
        said = [f"target '{self.name}': {self.count} classes at {size} pixels: {names}; their shares of {sample}: {shares}"]
        if self.follows:
            said.append(f"target '{self.name}': masks are fitted and moved as the pictures of '{self.follows}' are, by the nearest pixel")
        if absent:
            said.append(f"target '{self.name}': no pixel of {', '.join(absent[:FEW])} in the masks that were looked at")
        return said

    def weights(self) -> list[float] | None:
        """A weight for each class, as the options say. Raises ConfigError for names that are none, and for another number of weights."""
        given, where = self.config.class_weights, f"columns.{self.name}.class_weights"
        if given == "none":
            return None
        if given == "auto":
            there = [share for share in self.shares if share]
            return [1 / (len(there) * share) if share else 0.0 for share in self.shares]
        if isinstance(given, dict):
            strange = [name for name in given if name not in self.names]
            if strange:
                raise ConfigError(f"there is no class '{strange[0]}'", where=where, fix=f"the classes are {', '.join(self.names)}")
            return [float(given.get(name, 1.0)) for name in self.names]
        if len(given) != self.count:
            raise ConfigError(f"{len(given)} weights for {self.count} classes", where=where, fix="give one for each class")
        return [float(each) for each in given]

    def target_spec(self) -> TargetSpec:
        options = self.config
        return TargetSpec(
            self.name,
            "category",
            self.count,
            self.names,
            options.weight,
            options.loss,
            options.decoder,
            options.metrics,
            class_weights=self.weights(),
            positions=tuple(self.shape),
        )

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        return answers(self.name, outputs["scores"], None)

    def write_answers(self, found: pa.Array, references: Sequence[str | None], folder: Path) -> pa.Array:
        """Write predicted masks (lists of lists, null for none) of pictures into `folder/NAME`; the paths of the files from there."""
        if self.count > MOST:
            fix = "write the numbers: -o FILE.parquet"
            raise RequestError(f"a PNG with a palette has at most {MOST} classes, and '{self.name}' has {self.count}", fix=fix)
        masks = [
            None if each is None else self._as_large(np.array(each, np.uint8), path) for each, path in zip(found, references, strict=True)
        ]
        names = name_files([path if mask is not None else None for mask, path in zip(masks, references, strict=True)])
        write_masks(folder / self.name, masks, names, self.colours)
        return pa.array([None if each is None else f"{self.name}/{each}" for each in names], pa.string())

    def _as_large(self, mask: np.ndarray, reference: str | None) -> np.ndarray:
        """A mask as large as the picture that it is of; as it is where that cannot be said."""
        if reference is None or self.picture is None:
            return mask
        size = self._size_of_picture(reference)
        plan = plan_fit(size, (self.shape[0], self.shape[1]), self.picture.chosen("resize"), self.picture.chosen("crop_pct"))
        return unfit(mask, size, plan) if plan.final == mask.shape else mask

    def decoder(self, training: bool) -> PixelDecoder:
        return PixelDecoder(self, training)


class PixelDecoder(MaskDecoder):
    """Reference → classes (int64) `(h, w)`, moved as its picture is."""

    def numbers(self, found: Tensor, row: int, path: str) -> Tensor:
        classes = found.long()
        bad = ((classes < 0) & (classes != IGNORED)) | (classes >= self.count)
        if bool(bad.any()):
            why = f"seen: {show_values(classes[bad].numpy())}; the {self.count} classes are numbered from 0"
            fix = f"name all classes: columns.{self.name}.classes, or say what is left out: columns.{self.name}.ignore_index"
            raise self._wrong("a mask has values outside the classes", row, path, why, fix)
        return classes


def _times(size: Sequence[int]) -> str:
    return "×".join(map(str, size))
