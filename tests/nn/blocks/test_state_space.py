"""The selective scan by its definition, in three ways; Mamba step by step; what is refused."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.nn.blocks import state_space
from trainwright.nn.blocks.state_space import Mamba, MambaBlock, has_compiled_scan, selective_scan


def drawn(length: int, *, seed: int = 0, channels: int = 3, state: int = 4, rows: int = 2) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    made = {
        "u": torch.randn(rows, channels, length),
        "delta": torch.rand(rows, channels, length) * 2,
        "a": -torch.rand(channels, state) * 3,
    }
    made |= {"b": torch.randn(rows, state, length), "c": torch.randn(rows, state, length), "skip": torch.randn(channels)}
    return {key: each.double() for key, each in made.items()}


def by_definition(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Gu and Dao 2023, algorithm 2 with eq. 2a and 2b, number by number."""
    rows, channels, length = u.shape
    y, h = torch.zeros_like(u), start.clone()
    for row in range(rows):
        for channel in range(channels):
            for t in range(length):
                step = delta[row, channel, t]
                h[row, channel] = torch.exp(step * a[channel]) * h[row, channel] + step * b[row, :, t] * u[row, channel, t]
                y[row, channel, t] = c[row, :, t] @ h[row, channel] + skip[channel] * u[row, channel, t]
    return y, h


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.booleans())
def test_both_scans_are_the_definition(seed: int, length: int, begun: bool) -> None:
    given_ = drawn(length, seed=seed)
    start = torch.randn(2, 3, 4, dtype=torch.float64) if begun else torch.zeros(2, 3, 4, dtype=torch.float64)
    expected, last = by_definition(**given_, start=start)
    for how in ("sequential", "chunked", "auto"):
        y, state = selective_scan(**given_, start=start if begun else None, how=how)
        torch.testing.assert_close(y, expected, atol=1e-11, rtol=1e-11)
        torch.testing.assert_close(state, last, atol=1e-11, rtol=1e-11)


def test_states_that_decay_to_nothing_or_not_at_all_stay_numbers() -> None:
    for scale in (0.0, 1e-6, 1e4):
        given_ = drawn(100)
        given_["a"] = given_["a"] * scale
        ways = [selective_scan(**given_, how=how)[0] for how in ("sequential", "chunked")]
        assert ways[0].isfinite().all()
        torch.testing.assert_close(ways[0], ways[1], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("how", ["sequential", "chunked"])
def test_gradients_of_a_scan_are_those_of_finite_differences(how: str) -> None:
    given_ = {key: each.requires_grad_() for key, each in drawn(5, channels=2, state=2, rows=1).items()}
    start = torch.randn(1, 2, 2, dtype=torch.float64, requires_grad=True)

    def call(start: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
        return selective_scan(*values, start=start, how=how)

    assert torch.autograd.gradcheck(call, (start, *given_.values()))


def test_gradients_of_mamba_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    block = MambaBlock(4, state=2, kernel=2, rank=1).double()
    parameters = dict(block.named_parameters())
    x, keep = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True), torch.tensor([[False, True, True, True]])

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(block, dict(zip(parameters, values, strict=True)), (x, keep))

    assert torch.autograd.gradcheck(call, (x, *parameters.values()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_decoding_in_pieces_is_the_whole_sequence_at_once(seed: int, kernel: int, pieces: list[int]) -> None:
    torch.manual_seed(seed)
    block = MambaBlock(8, state=4, kernel=kernel).double().eval()
    x = torch.randn(2, sum(pieces), 8, dtype=torch.float64)
    with torch.no_grad():
        cache = block.mixer.cache()
        found = torch.cat([block(piece, cache=cache) for piece in x.split(pieces, dim=1)], dim=1)
        torch.testing.assert_close(found, block(x), atol=1e-10, rtol=0)


def test_a_cache_follows_rows_and_refuses_gradients() -> None:
    mamba = Mamba(8).double()
    x = torch.randn(3, 6, 8, dtype=torch.float64)
    with pytest.raises(RequestError, match="no gradients"):
        mamba(x, cache=mamba.cache())
    with torch.no_grad():
        cache, rows = mamba.cache(), torch.tensor([2, 0])
        mamba(x[:, :4], cache=cache)
        cache.take(rows)
        torch.testing.assert_close(mamba(x[rows, 4:], cache=cache), mamba(x)[rows, 4:])


def test_nothing_that_comes_later_has_an_effect_and_padding_before_has_none() -> None:
    torch.manual_seed(0)
    mamba = Mamba(8)
    x = torch.randn(2, 9, 8)
    changed = x.clone()
    changed[:, 5:] = 100
    torch.testing.assert_close(mamba(changed)[:, :5], mamba(x)[:, :5])
    padded, keep = torch.cat([torch.randn(2, 3, 8) * 100, x], dim=1), (torch.arange(12) >= 3).expand(2, 12)
    torch.testing.assert_close(mamba(padded, keep)[:, 3:], mamba(x), atol=1e-5, rtol=1e-5)
    assert mamba(padded, torch.zeros_like(keep)).isfinite().all()


def test_first_step_sizes_lie_between_the_two_given() -> None:
    mamba = Mamba(64, smallest_step=0.01, largest_step=0.02)
    size = torch.nn.functional.softplus(mamba.dt_proj.bias.detach())
    assert float(size.min()) >= 0.0099 and float(size.max()) <= 0.0201
    torch.testing.assert_close(-torch.exp(mamba.A_log)[0], -torch.arange(1.0, 17))


@pytest.mark.skipif(has_compiled_scan(), reason="mamba_ssm is installed")
def test_the_compiled_scan_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(RequestError, match=r"(?s)compiled scan cannot be used.*CUDA only.*scan: auto"):
        Mamba(8, scan="compiled")(torch.randn(1, 4, 8))


def test_the_compiled_scan_is_called_as_mamba_ssm_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definition stands in for the kernel, which needs CUDA: arguments, their order and what comes back are those of mamba_ssm."""

    def selective_scan_fn(
        u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, return_last_state: bool = False
    ) -> tuple[Tensor, Tensor]:
        assert return_last_state and u.dtype == delta.dtype == B.dtype == C.dtype
        return by_definition(u, delta, A, B, C, D, torch.zeros(2, 3, 4).double())

    name = "mamba_ssm.ops.selective_scan_interface"
    module = types.ModuleType(name)
    module.selective_scan_fn = selective_scan_fn  # type: ignore[attr-defined]
    for each in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, each, types.ModuleType(each))
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(state_space, "choose_scan", lambda how, u, start=None: "compiled")
    given_ = drawn(7)
    for found, expected in zip(selective_scan(**given_), by_definition(**given_, start=torch.zeros(2, 3, 4).double()), strict=True):
        torch.testing.assert_close(found, expected)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"width": 0}, "width"),
    ({"width": 8, "state": 0}, "state"),
    ({"width": 8, "scan": "chunkd"}, "did you mean 'chunked'"),
    ({"width": 8, "largest_step": 1e-4}, "is below smallest_step"),
    ({"width": 2, "expand": 0.1}, "leaves no channel of width 2"),
]


@pytest.mark.parametrize(("options", "told"), REFUSED)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], told: str) -> None:
    for made in (Mamba, MambaBlock):
        with pytest.raises(RequestError) as caught:
            made(**options)
        assert told in str(caught.value)
