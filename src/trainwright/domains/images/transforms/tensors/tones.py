"""Values of pictures `(…, c, h, w)` mapped onto others, and neighbours mixed, as torchvision's tensor kernels do it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.domains.images.transforms.tensors.colors import blend
from trainwright.domains.images.transforms.tensors.values import as_before, cut_off, flat, in_floats, largest, to_dtype


def invert(picture: Tensor) -> Tensor:
    """White less each number."""
    return 1 - picture if picture.is_floating_point() else int(largest(picture)) - picture


def posterize(picture: Tensor, bits: int) -> Tensor:
    """`bits` of 8 for each number, 0 (black) to 8; of floats as many levels."""
    if not picture.is_floating_point():
        return picture & (0xFF & ~((1 << (8 - bits)) - 1))
    levels = 1 << bits
    return (picture * levels).floor().clamp(0, levels - 1) / levels


def solarize(picture: Tensor, threshold: float) -> Tensor:
    """Numbers from a threshold on are inverted."""
    return torch.where(picture >= threshold, invert(picture), picture)


def solarize_add(picture: Tensor, add: int, threshold: int = 128) -> Tensor:
    """uint8 below a threshold made greater by `add`, at most 255."""
    return torch.where(picture < threshold, (picture.int() + add).clamp(0, 255).to(picture.dtype), picture)


def autocontrast(picture: Tensor) -> Tensor:
    """Each channel stretched, its least number becoming black and its greatest white; a channel of one colour stays."""
    numbers = in_floats(picture)
    low, high = numbers.amin((-2, -1), keepdim=True), numbers.amax((-2, -1), keepdim=True)
    flat_channel = low == high
    low, span = torch.where(flat_channel, 0.0, low), torch.where(flat_channel, 1.0, (high - low) * (1 / largest(picture)))
    return cut_off((numbers - low) / span, picture)


def equalize(picture: Tensor) -> Tensor:
    """Each channel mapped so that its 256 levels occur about equally often, as Pillow has it; floats become 256 levels first."""
    if picture.is_floating_point():
        return to_dtype(equalize(to_dtype(picture, torch.uint8)), picture.dtype)
    planes = picture.reshape(-1, picture.shape[-2] * picture.shape[-1]).long()
    counts = torch.zeros(len(planes), 256, dtype=torch.long, device=picture.device).scatter_add_(1, planes, torch.ones_like(planes))
    highest = planes.amax(1, keepdim=True)  # the last level that occurs takes no part in the step
    step = (counts.sum(1, keepdim=True) - counts.gather(1, highest)) // 255
    before = counts.cumsum(1) - counts
    table = ((before + step // 2) // step.clamp_min(1)).clamp(0, 255)
    table = torch.where(step == 0, torch.arange(256, device=picture.device), table)
    return table.gather(1, planes).to(torch.uint8).reshape(picture.shape)


def adjust_sharpness(picture: Tensor, factor: float) -> Tensor:
    """Farther from a smoothed picture: 0 is smoothed, 1 the picture, 2 sharper. The outermost pixels stay."""
    if min(picture.shape[-2:]) <= 2:
        return picture
    kernel = torch.ones(3, 3)
    kernel[1, 1] = 5
    smooth = _convolved(in_floats(picture), kernel / kernel.sum())
    if not picture.is_floating_point():
        smooth = smooth.round()
    degenerate = in_floats(picture).clone()
    degenerate[..., 1:-1, 1:-1] = smooth
    return blend(picture, degenerate, factor)


def gaussian_blur(picture: Tensor, kernel_size: Sequence[int], sigma: Sequence[float] | None = None) -> Tensor:
    """Neighbours mixed by a bell curve of `kernel_size` (x, y) pixels, odd numbers, and deviations `sigma` (x, y); the picture is
    mirrored beyond its borders. Default of sigma: 0.15 · size + 0.35."""
    sizes = list(kernel_size)
    sigma = [0.15 * each + 0.35 for each in sizes] if sigma is None else list(sigma)
    across, down = (_bell(size, deviation, picture) for size, deviation in zip(sizes, sigma, strict=True))
    rows, shape = flat(picture)
    x, y = sizes[0] // 2, sizes[1] // 2
    mirrored = functional.pad(in_floats(rows), (x, x, y, y), mode="reflect")
    return as_before(_convolved(mirrored, down[:, None] * across), rows).reshape(shape)


def _bell(size: int, sigma: float, like: Tensor) -> Tensor:
    places = torch.linspace(-(size - 1) / 2, (size - 1) / 2, size, dtype=in_floats(like).dtype, device=like.device)
    return torch.softmax(-0.5 * (places / sigma).square(), 0)


def _convolved(numbers: Tensor, kernel: Tensor) -> Tensor:
    """Each channel by itself, without a border."""
    rows, shape = flat(numbers)
    channels = rows.shape[1]
    found = functional.conv2d(rows, kernel.to(rows).expand(channels, 1, *kernel.shape), groups=channels)
    return found.reshape(*shape[:-2], *found.shape[-2:])


def gaussian_noise(picture: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Independent normal noise on every number, of deviation `sigma` where white is 1."""
    noise = torch.randn(picture.shape, generator=generator).to(picture.device)
    return as_before((in_floats(picture) + noise * (sigma * largest(picture))).clamp(0, largest(picture)), picture)
