"""Pictures of one size, or of one short side: what always applies."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.images.resizing import Plan, offset, plan_fit, shorter
from trainwright.domains.images.transforms import functions
from trainwright.domains.images.transforms.base import Drawn, PictureTransform, Size, ignored
from trainwright.domains.images.transforms.masks import pad_mask, resize_mask
from trainwright.domains.images.transforms.options import FitOptions, PadOptions, ResizeOptions, StoreOptions, sides
from trainwright.domains.images.transforms.tensors.pieces import center_crop


class Fit(PictureTransform):
    """`(c, h, w)` → `(c, *size)`: nothing is done to what has that size, such as what a random crop made of it."""

    def __init__(self, options: FitOptions) -> None:
        super().__init__(options)
        self.size, self.crop_pct = sides(options.size), options.crop_pct

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        plan = self._plan(picture)
        (height, width), (rows, columns) = plan.final, plan.resized
        if plan.resized != (picture.shape[-2], picture.shape[-1]) and rows >= height and columns >= width:
            box = offset(rows, height), offset(columns, width), height, width
            piece: Tensor = functions.resize_and_crop(picture, plan.resized, box, self.options.interpolation)
            return piece
        found: Tensor = functions.resize(picture, plan.resized, self.options.interpolation)
        return found if plan.resized == plan.final else center_crop(found, plan.final, fill_of(self.options.fill, picture))

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        plan = self._plan(mask)
        return center_crop(resize_mask(mask, plan.resized)[None], plan.final, ignored(mask))[0]

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        if size == self.size:
            return boxes
        plan = plan_fit(size, self.size, self.options.resize, self.crop_pct)
        (height, width), (rows, columns) = plan.resized, size
        down, across = offset(height, plan.final[0]), offset(width, plan.final[1])
        return boxes * boxes.new_tensor([width / columns, height / rows] * 2) - boxes.new_tensor([across, down] * 2)

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        return self.size

    def _plan(self, picture: Tensor) -> Plan:
        size = picture.shape[-2], picture.shape[-1]
        return Plan(size, size) if size == self.size else plan_fit(size, self.size, self.options.resize, self.crop_pct)


class Resize(PictureTransform):
    """`(c, h, w)` → another size, known from its own."""

    options: ResizeOptions

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        size = self.size_after((picture.shape[-2], picture.shape[-1]), drawn)
        found: Tensor = functions.resize(picture, size, self.options.interpolation, self.options.antialias)
        return found

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return resize_mask(mask, self.size_after((mask.shape[0], mask.shape[1]), drawn))

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        height, width = self.size_after(size, drawn)
        return boxes * boxes.new_tensor([width / size[1], height / size[0]] * 2)

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        wanted, limit = self.options.size, self.options.max_size
        if isinstance(wanted, list):
            return wanted[0], wanted[1]
        if wanted is not None:
            return shorter(size, wanted, limit)
        limit = limit or max(size)
        found = limit, max(int(limit * min(size) / max(size)), 1)
        return found if size[0] >= size[1] else (found[1], found[0])


class Store(PictureTransform):
    """`(c, h, w)` → the same with a short side of at most `size`."""

    options: StoreOptions

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        size = self.size_after((picture.shape[-2], picture.shape[-1]), drawn)
        found: Tensor = functions.resize(picture, size, self.options.interpolation)
        return found

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return resize_mask(mask, self.size_after((mask.shape[0], mask.shape[1]), drawn))

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        height, width = self.size_after(size, drawn)
        return boxes * boxes.new_tensor([width / size[1], height / size[0]] * 2)

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        return size if min(size) <= self.options.size else shorter(size, self.options.size)


class Pad(PictureTransform):
    """A border around `(c, h, w)`."""

    def __init__(self, options: PadOptions) -> None:
        super().__init__(options)
        given: Sequence[int] = [options.padding] * 4 if isinstance(options.padding, int) else options.padding
        self.padding = (given[0], given[1], given[0], given[1]) if len(given) == 2 else (given[0], given[1], given[2], given[3])

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        mode = self.options.padding_mode
        self._check_mirror((picture.shape[-2], picture.shape[-1]), mode)
        found: Tensor = functions.pad(picture, self.padding, mode, fill_of(self.options.fill, picture))
        return found

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return pad_mask(mask, self.padding)

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        return boxes + boxes.new_tensor([self.padding[0], self.padding[1]] * 2)

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        left, top, right, bottom = self.padding
        return size[0] + top + bottom, size[1] + left + right

    def _check_mirror(self, size: Size, mode: str) -> None:
        left, top, right, bottom = self.padding
        room = size[0] - (mode == "reflect"), size[1] - (mode == "reflect")
        if mode in ("reflect", "symmetric") and (max(top, bottom) > room[0] or max(left, right) > room[1]):
            what = f"a mirrored border of {max(self.padding)} pixels is wider than a picture of {size[0]}×{size[1]}"
            raise DataError(what, where="pad", fix="make the border narrower, or set padding_mode: edge")


def fill_of(fill: float | Sequence[float], picture: Tensor) -> list[float]:
    """A colour of 0 to 255 for each channel of a picture, in its own range. Raises DataError where it has other channels."""
    channels = picture.shape[-3]
    numbers = list(fill) if isinstance(fill, Sequence) else [fill] * channels
    if len(numbers) != channels:
        what = f"fill has {len(numbers)} numbers and the picture {channels} channel{'s' if channels > 1 else ''}"
        raise DataError(what, fix="give one number for all channels, or one for each")
    return [each / 255 for each in numbers] if picture.is_floating_point() else [float(each) for each in numbers]
