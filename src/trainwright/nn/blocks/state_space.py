"""Selective state spaces: Mamba (Gu and Dao 2023), with a scan in plain PyTorch and the compiled one where it is installed."""

from __future__ import annotations

import importlib.util
import math
from functools import cache as remember

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError, did_you_mean
from trainwright.nn.blocks.cache import ScanCache
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.state_space_options import MambaBlockOptions, MambaOptions
from trainwright.nn.blocks.tokens import check_tokens

SCANS = ("auto", "sequential", "chunked", "compiled")
SEGMENT = {False: 2**16, True: 2**28}
"""Numbers of states that are there at once, on CPUs (what fits their caches) and on CUDA."""
LONG = 32
"""Steps of a segment from which on chunks are faster than one step after the other."""


def selective_scan(
    u: Float[Tensor, "b d l"],
    delta: Float[Tensor, "b d l"],
    a: Float[Tensor, "d n"],
    b: Float[Tensor, "b n l"],
    c: Float[Tensor, "b n l"],
    skip: Float[Tensor, " d"],
    *,
    start: Float[Tensor, "b d n"] | None = None,
    how: str = "auto",
) -> tuple[Float[Tensor, "b d l"], Float[Tensor, "b d n"]]:
    """`h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t`, `y_t = C_t h_t + D u_t` (algorithm 2), and the last state; in float32 at least."""
    how = choose_scan(how, u, start)
    if how == "compiled":
        return _compiled_scan(u, delta, a, b, c, skip)
    kind = u.dtype
    u, delta, a, b, c = (each.float() if each.dtype in (torch.float16, torch.bfloat16) else each for each in (u, delta, a, b, c))
    state = (u.new_zeros(*u.shape[:2], a.shape[1]) if start is None else start).to(torch.promote_types(u.dtype, a.dtype))
    delta, driven, b, c = (each.permute(2, 0, 1) for each in (delta, delta * u, b, c))  # time first, so that a step is one piece of memory
    traced = torch.compiler.is_exporting()  # a graph is one piece, and len() of an axis of any size would fix it
    size = 0 if traced else max(SEGMENT[u.is_cuda] // max(state.numel(), 1), 1)
    of_any_length = traced and not isinstance(delta.shape[0], int)
    found = []
    pieces = ((each,) if traced or len(each) <= size else torch.split(each, size) for each in (delta, driven, b, c))
    segments = zip(*pieces, strict=True)
    for step, new, into, out in segments:
        scan = scan_traced if of_any_length else scan_chunked if how == "chunked" or (how == "auto" and len(step) > LONG) else scan_steps
        states, state = scan(torch.exp(step[..., None] * a), new[..., None] * into[:, :, None], state)
        found.append((states * out[:, :, None]).sum(-1))
    y = torch.cat(found).permute(1, 2, 0)
    return (y + skip.to(y)[:, None] * u).to(kind), state


def scan_steps(decay: Float[Tensor, " l *s"], driven: Float[Tensor, " l *s"], state: Float[Tensor, " *s"]) -> tuple[Tensor, Tensor]:
    """All states `h_t = decay_t h_{t−1} + driven_t`, one step after the other, and the last."""
    found = []
    for kept, new in zip(decay.unbind(0), driven.unbind(0), strict=True):
        state = torch.addcmul(new, kept, state)
        found.append(state)
    return torch.stack(found), state


def scan_traced(decay: Float[Tensor, " l *s"], driven: Float[Tensor, " l *s"], state: Float[Tensor, " *s"]) -> tuple[Tensor, Tensor]:
    """The same as one operation of a graph, `Scan` in ONNX, whose number of steps is not that of an example."""
    from torch._higher_order_ops.scan import scan

    def step(before: Tensor, here: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        after = torch.addcmul(here[1], here[0], before)
        return after, after.clone()

    last, states = scan(step, state, (decay, driven), dim=0)
    return states, last


def scan_chunked(decay: Float[Tensor, " l *s"], driven: Float[Tensor, " l *s"], state: Float[Tensor, " *s"]) -> tuple[Tensor, Tensor]:
    """The same in about 2√l steps: √l chunks side by side, each from zero; then what the chunks before left, times what it decayed to."""
    length = len(decay)
    size = math.isqrt(length - 1) + 1
    chunks = -(-length // size)
    missing = chunks * size - length
    if missing:  # steps that keep the state
        decay = torch.cat([decay, decay.new_ones(missing, *decay.shape[1:])])
        driven = torch.cat([driven, driven.new_zeros(missing, *driven.shape[1:])])
    decay, driven = (each.view(chunks, size, *each.shape[1:]) for each in (decay, driven))
    within, decayed = [driven[:, 0]], [decay[:, 0]]
    for step in range(1, size):
        within.append(torch.addcmul(driven[:, step], decay[:, step], within[-1]))
        decayed.append(decayed[-1] * decay[:, step])
    before = [state]
    for number in range(chunks):
        before.append(torch.addcmul(within[-1][number], decayed[-1][number], before[-1]))
    came = torch.stack(before[:-1])[:, None]
    states = torch.addcmul(torch.stack(within, 1), torch.stack(decayed, 1), came)
    return states.flatten(0, 1)[:length], before[-1]


def choose_scan(how: str, u: Float[Tensor, "b d l"], start: Tensor | None = None) -> str:
    """`auto` as `compiled` where that can run; raises ConfigError for an unknown scan, RequestError for one that cannot be had here."""
    if how not in SCANS:
        raise ConfigError(f"unknown scan '{how}'", fix=did_you_mean(how, SCANS))
    can = u.is_cuda and start is None and has_compiled_scan()
    if how == "compiled" and not can:
        why = "it runs on CUDA only" if not u.is_cuda else "it starts from no state" if start is not None else "mamba_ssm is not installed"
        raise RequestError("the compiled scan cannot be used", why=why, fix="use scan: auto, which takes it where it can")
    if how != "auto":
        return how
    return "compiled" if can else "auto"


@remember
def has_compiled_scan() -> bool:
    """Whether mamba_ssm is installed."""
    return importlib.util.find_spec("mamba_ssm") is not None


def _compiled_scan(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    found: tuple[Tensor, Tensor] = selective_scan_fn(u, delta.to(u), a, b.to(u), c.to(u), skip.float(), return_last_state=True)
    return found


class Mamba(nn.Module):
    """A gated selective state space (Gu and Dao 2023, section 3.4) over tokens `[b, l, w]`; what comes later has no effect.

    Weights are called as in mamba_ssm.
    """

    @checked_by(MambaOptions)
    def __init__(
        self,
        width: int,
        state: int = 16,
        kernel: int = 4,
        expand: float = 2.0,
        rank: int | None = None,
        bias: bool = False,
        smallest_step: float = 0.001,
        largest_step: float = 0.1,
        scan: str = "auto",
    ) -> None:
        super().__init__()
        inner, rank = round(width * expand), rank or -(-width // 16)
        self.width, self.inner, self.rank, self.state, self.kernel, self.scan = width, inner, rank, state, kernel, scan
        self.in_proj = nn.Linear(width, 2 * inner, bias=bias)
        self.conv1d = nn.Conv1d(inner, inner, kernel, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=bias)
        self._start_steps(smallest_step, largest_step)

    def _start_steps(self, smallest: float, largest: float) -> None:
        """Step sizes log-uniform between the two at first (section 3.6): the bias is what softplus makes them of."""
        nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():
            size = torch.exp(torch.empty_like(self.dt_proj.bias).uniform_(math.log(smallest), math.log(largest))).clamp_min(1e-4)
            self.dt_proj.bias.copy_(size + torch.log(-torch.expm1(-size)))

    def forward(
        self, x: Float[Tensor, "b l w"], keep: Bool[Tensor, "b l"] | None = None, *, cache: ScanCache | None = None
    ) -> Float[Tensor, "b l w"]:
        """`keep` is true for tokens that count; the others are read as zeros, wherever they stand."""
        check_tokens(x, self.width, self, 1)
        if x.shape[1] == 0:
            raise ConfigError(f"Mamba cannot take shape {tuple(x.shape)}", why="it has no tokens", fix="give rows of one token at least")
        real = None if keep is None else keep.unsqueeze(1)
        u, gate = self.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        u = u if real is None else u * real
        before = None if cache is None else cache.before
        u = F.pad(u, (self.kernel - 1, 0)) if before is None else torch.cat([before, u], dim=2)
        tail = u[:, :, u.shape[2] - self.kernel + 1 :]
        u = F.silu(self.conv1d(u))
        u = u if real is None else u * real
        delta, b, c = self.x_proj(u.transpose(1, 2)).split((self.rank, self.state, self.state), dim=2)
        # contiguous, because torch's compiler is wrong about the layout of this gradient otherwise (2.13)
        delta = F.softplus(self.dt_proj(delta).transpose(1, 2).contiguous())
        a = -torch.exp(self.A_log.float() if self.A_log.dtype in (torch.float16, torch.bfloat16) else self.A_log)
        start = None if cache is None else cache.state
        y, last = selective_scan(u, delta, a, b.transpose(1, 2), c.transpose(1, 2), self.D, start=start, how=self.scan)
        if cache is not None:
            cache.keep(tail, last)
        return self.out_proj((y * F.silu(gate)).transpose(1, 2))

    def cache(self) -> ScanCache:
        """An empty cache, for decoding one position after the other."""
        return ScanCache()


class MambaBlock(nn.Module):
    """`x + mamba(norm(x))` with an RMS norm (Gu and Dao 2023, figure 3); options are those of `Mamba`."""

    @checked_by(MambaBlockOptions)
    def __init__(
        self,
        width: int,
        state: int = 16,
        kernel: int = 4,
        expand: float = 2.0,
        rank: int | None = None,
        bias: bool = False,
        smallest_step: float = 0.001,
        largest_step: float = 0.1,
        scan: str = "auto",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=eps)
        self.mixer = Mamba(width, state, kernel, expand, rank, bias, smallest_step, largest_step, scan)

    def forward(
        self, x: Float[Tensor, "b l w"], keep: Bool[Tensor, "b l"] | None = None, *, cache: ScanCache | None = None
    ) -> Float[Tensor, "b l w"]:
        check_tokens(x, self.mixer.width, self, 1)
        return x + self.mixer(self.norm(x), keep, cache=cache)
