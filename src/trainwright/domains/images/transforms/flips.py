"""Pictures mirrored and turned by quarters: no pixel changes its colour."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.images.transforms.base import Drawn, Size, Sometimes, whole_below


class RandomHorizontalFlip(Sometimes):
    """Left and right exchanged."""

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return picture.flip(-1)

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return self.change(mask, drawn)

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        left, top, right, bottom = boxes.unbind(-1)
        return torch.stack([size[1] - right, top, size[1] - left, bottom], dim=-1)

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        return batch.flip(-1)


class RandomVerticalFlip(Sometimes):
    """Top and bottom exchanged."""

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return picture.flip(-2)

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return self.change(mask, drawn)

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        left, top, right, bottom = boxes.unbind(-1)
        return torch.stack([left, size[0] - bottom, right, size[0] - top], dim=-1)

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        return batch.flip(-2)


class RandomRotate90(Sometimes):
    """None to three quarter turns counter-clockwise."""

    draws = 1

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return picture.rot90(whole_below(4, drawn[0]), (-2, -1))

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return self.change(mask, drawn)

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        height, width = size
        for _ in range(whole_below(4, drawn[0])):  # (x, y) goes to (y, width − x)
            left, top, right, bottom = boxes.unbind(-1)
            boxes = torch.stack([top, width - right, bottom, width - left], dim=-1)
            height, width = width, height
        return boxes

    def change_size(self, size: Size, drawn: Drawn) -> Size:
        return (size[1], size[0]) if whole_below(4, drawn[0]) % 2 else size
