"""AdamW with both moments in 8 bits (block-wise dynamic quantisation, Dettmers et al. 2022), in plain tensor operations on any device.

A block of values is divided by its largest size and each value becomes the place of the nearest of 256 levels, dense near zero. In place
of the second moment its root is kept, which is what the update divides by and needs half the range; and a root that is not zero never
becomes zero, so that no update is divided by nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.bias_correction import bias_correction
from trainwright.optim.options import AdamW8bitOptions
from trainwright.optim.parameter_groups import ParameterGroup

DECADES = 7
KEPT_BITS = 18
"""Leading bits of a float32 that choose its code from a table: sign, exponent and 9 of the mantissa, finer than any two levels.

A search among the levels takes ten times as long as all the rest of an update.
"""


def levels(signed: bool) -> Tensor:
    """The 256 values of the dynamic data type, ascending, float32: each decade below 1 has twice the levels of the one below it."""
    positive = [1.0]
    for decade in range(DECADES):
        edges = torch.linspace(0.1, 1, 2 ** (decade if signed else decade + 1) + 1, dtype=torch.float64)
        positive += ((edges[:-1] + edges[1:]) / 2 * 10.0 ** (decade - DECADES + 1)).tolist()
    negative = [-value for value in positive if value < 1] if signed else []
    return torch.tensor(sorted([0.0, *positive, *negative]), dtype=torch.float32)


def codes_by_bits(values: Tensor) -> Tensor:
    """For each pattern of leading bits the place of the level nearest to the middle of what it stands for, uint8."""
    patterns = (torch.arange(2**KEPT_BITS) << (32 - KEPT_BITS)) + (1 << (31 - KEPT_BITS))
    middles = torch.where(patterns < 2**31, patterns, patterns - 2**32).int().view(torch.float32).nan_to_num()
    found = torch.bucketize(middles, (values[1:] + values[:-1]) / 2)
    zero = values.tolist().index(0.0)
    if zero == 0:
        found = torch.where(middles > 0, found.clamp(min=1), found)
    found[0] = zero
    return found.to(torch.uint8)


class Codes:
    """From values to 8-bit codes with a scale per block, and back; the tables are made once per device."""

    def __init__(self, block_size: int, signed: bool) -> None:
        self.block_size, self.signed = block_size, signed
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def blocks(self, param: Tensor) -> int:
        """How many blocks a tensor makes; the last is filled up."""
        return -(-param.numel() // self.block_size)

    def _table(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._tables:
            values = levels(self.signed)
            self._tables[device] = values.to(device), codes_by_bits(values).to(device)
        return self._tables[device]

    def write(self, values: Tensor, codes: Tensor, scales: Tensor) -> None:
        """Replace `codes` (`blocks block`, uint8) and `scales` (`blocks`) by those of `values`."""
        flat = values.float().flatten()
        blocks = torch.nn.functional.pad(flat, (0, codes.numel() - flat.numel())).view_as(codes)
        torch.amax(blocks.abs(), dim=1, out=scales)
        shares = blocks / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
        bits = (shares.view(torch.int32) >> (32 - KEPT_BITS)).bitwise_and_(2**KEPT_BITS - 1)
        codes.copy_(self._table(codes.device)[1].index_select(0, bits.flatten()).view_as(codes))

    def read(self, codes: Tensor, scales: Tensor, like: Tensor) -> Tensor:
        """The values that were written, to the nearest level, of the shape of `like`, float32."""
        values = self._table(codes.device)[0].index_select(0, codes.flatten().int()).view_as(codes) * scales[:, None]
        return values.flatten()[: like.numel()].view(like.shape)


class AdamW8bit(LeanOptimizer):
    """AdamW of a quarter of the state; parameters below `smallest` values keep theirs in full."""

    STATE = ("exp_avg", "exp_avg_scale", "exp_avg_root", "exp_avg_root_scale")

    def __init__(self, options: AdamW8bitOptions, groups: Sequence[ParameterGroup]) -> None:
        self.options = options
        self._codes = {"exp_avg": Codes(options.block_size, signed=True), "exp_avg_root": Codes(options.block_size, signed=False)}
        super().__init__(options.rate, groups, options.weight_decay)

    def first_state(self, key: str, param: nn.Parameter) -> Tensor:
        """Codes and scales of zeros, or the moment itself and no scales for a small parameter."""
        small = param.numel() < self.options.smallest
        blocks = self._codes["exp_avg"].blocks(param)
        if key.endswith("_scale"):
            return torch.zeros(0 if small else blocks, dtype=torch.float32, device=param.device)
        if small:
            return torch.zeros(param.shape, dtype=torch.promote_types(param.dtype, torch.float32), device=param.device)
        zero = 0 if key == "exp_avg_root" else levels(signed=True).tolist().index(0.0)
        return torch.full((blocks, self.options.block_size), zero, dtype=torch.uint8, device=param.device)

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """Parameter by parameter, so that only one has its moments in full at a time."""
        for i, (param, grad, step) in enumerate(zip(piece.params, piece.grads, piece.steps, strict=True)):
            self.update_one(group, param, grad, {key: each[i] for key, each in piece.state.items()}, step)

    def update_one(self, group: Group, param: Tensor, grad: Tensor, state: dict[str, Tensor], step: Tensor) -> None:
        """AdamW's update, from moments read in full and written back."""
        (beta1, beta2), step = self.options.betas, step.to(param.device)
        mean, root = self._read("exp_avg", state, param), self._read("exp_avg_root", state, param)
        grad = grad.to(mean.dtype)
        mean.lerp_(grad, 1 - beta1)
        root.square_().mul_(beta2).addcmul_(grad, grad, value=1 - beta2).sqrt_()
        self._write("exp_avg", state, mean)
        self._write("exp_avg_root", state, root)
        if group.weight_decay:
            param.mul_(1 - group.learning_rate * group.weight_decay)
        change = mean / bias_correction(beta1, step)
        change.div_((root / bias_correction(beta2, step).sqrt()).add_(self.options.eps))
        param.add_(change, alpha=-group.learning_rate)

    def _read(self, key: str, state: dict[str, Tensor], param: Tensor) -> Tensor:
        full = state[key].dtype != torch.uint8
        return state[key].clone() if full else self._codes[key].read(state[key], state[f"{key}_scale"], param)

    def _write(self, key: str, state: dict[str, Tensor], values: Tensor) -> None:
        if state[key].dtype != torch.uint8:
            state[key].copy_(values)
        else:
            self._codes[key].write(values, state[key], state[f"{key}_scale"])
