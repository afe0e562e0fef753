"""Modes change how a run computes, not what; and all of them are put back after it."""

from __future__ import annotations

import copy
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.engine.mode_options import ModeOptions
from trainwright.engine.modes import determinism_gaps, flushes_denormals, modes
from trainwright.engine.module_modes import in_channels_last
from trainwright.engine.offload import Offload

CPU = torch.device("cpu")


class Block(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(0.4)
        self.calls = 0

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        self.calls += 1
        return x + scale * self.dropout(torch.relu(self.norm(self.linear(x))))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, scale=0.5)
        return self.head(x)


class Small(nn.Module):
    """A system: its own methods are called, not itself."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.image = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def training_step(self, x: Tensor) -> Tensor:
        return self.model(x).square().sum()


def small() -> Small:
    torch.manual_seed(0)
    return Small()


def step(system: Small, seed: int = 1) -> dict[str, Tensor]:
    """Gradients and buffers after a step with dropout."""
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(seed)
    system.zero_grad()
    loss = system.training_step(x)
    after_forward = torch.rand(1)
    loss.backward()
    found = {f"grad/{name}": param.grad for name, param in system.model.named_parameters() if param.grad is not None}
    return found | {name: buffer.clone() for name, buffer in system.model.named_buffers()} | {"next": after_forward, "later": torch.rand(1)}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@contextmanager
def asked(system: nn.Module, **options: Any) -> Iterator[Any]:
    with modes(ModeOptions.model_validate(options), system, CPU) as active:
        yield active


def torch_state() -> tuple[Any, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        flushes_denormals(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


EVERYTHING = {
    "channels_last": True,
    "compile": {"backend": "eager"},
    "activation_checkpointing": True,
    "offload_saved_tensors": True,
    "deterministic": True,
    "cudnn_benchmark": True,
    "flush_denormal": True,
    "default_dtype": "float64",
    "default_device": "meta",
    "num_threads": 1,
}


def test_everything_is_put_back_also_after_an_exception() -> None:
    system = small()
    before, state = torch_state(), copy.deepcopy(system.state_dict())
    layout = [tensor.stride() for tensor in system.state_dict().values()]
    with pytest.raises(KeyError), asked(system, **EVERYTHING) as active:
        assert torch_state() != before
        assert system.state_dict().keys() == state.keys()
        assert active.batch is in_channels_last
        raise KeyError
    assert torch_state() == before
    assert same(state, system.state_dict())
    assert layout == [tensor.stride() for tensor in system.state_dict().values()]
    assert all("forward" not in module.__dict__ and module._compiled_call_impl is None for module in system.modules())


@pytest.mark.parametrize(
    ("options", "measured", "value"),
    [
        ({"deterministic": True}, torch.are_deterministic_algorithms_enabled, True),
        ({"deterministic": "warn"}, torch.is_deterministic_algorithms_warn_only_enabled, True),
        ({"deterministic": True}, lambda: torch.backends.cudnn.deterministic, True),
        ({"cudnn_benchmark": True}, lambda: torch.backends.cudnn.benchmark, True),
        ({"flush_denormal": True}, flushes_denormals, True),
        ({"default_dtype": "bfloat16"}, lambda: torch.zeros(1).dtype, torch.bfloat16),
        ({"default_device": "meta"}, lambda: torch.zeros(1).device.type, "meta"),
        ({"default_device": "auto"}, lambda: torch.zeros(1).device.type, "cpu"),
        ({"num_threads": 1}, torch.get_num_threads, 1),
        ({}, lambda: torch.backends.cudnn.deterministic, False),
    ],
)
def test_a_mode_does_what_it_says(options: dict[str, Any], measured: Any, value: Any) -> None:
    with asked(small(), **options):
        assert measured() == value


def test_deterministic_stops_what_has_no_such_variant_and_warns_on_request() -> None:
    def nondeterministic() -> None:
        torch._C._nn.max_unpool2d  # noqa: B018
        torch.nn.functional.max_unpool2d(torch.ones(1, 1, 2, 2), torch.tensor([[[[0, 2], [8, 10]]]]), 2)

    with asked(small(), deterministic=True), pytest.raises(RuntimeError, match="deterministic"):
        nondeterministic()
    with asked(small(), deterministic="warn"), pytest.warns(UserWarning, match="deterministic"):
        nondeterministic()


def test_what_cannot_be_deterministic_is_warned_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with caplog.at_level(logging.WARNING, "trainwright.engine"), asked(small(), deterministic=True):
        pass
    assert "PYTHONHASHSEED" in caplog.text
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert determinism_gaps(CPU) == []
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    assert any("CUBLAS_WORKSPACE_CONFIG is :0:0" in gap for gap in determinism_gaps(torch.device("cuda", 0)))


def test_checkpointing_computes_the_same_gradients_statistics_and_random_numbers() -> None:
    plain, system = small(), small()
    expected = step(plain)
    with asked(system, activation_checkpointing=True):
        found = step(system)
        assert [block.calls for block in system.model.blocks] == [2, 2, 2]
    assert same(expected, found)
    assert system.model.head.__dict__.get("forward") is None
    assert same(step(plain, 2), step(system, 2))
    assert [block.calls for block in system.model.blocks] == [3, 3, 3]


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    def kept(system: Small) -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            system.training_step(torch.randn(6, 8))
        return sum(sizes.values())

    system = small()
    whole = kept(system)
    with asked(system, activation_checkpointing="model.blocks.*"):
        assert kept(system) < whole / 2


def test_checkpointing_is_left_out_without_a_graph() -> None:
    system = small()
    with asked(system, activation_checkpointing=True), torch.no_grad():
        system.training_step(torch.randn(6, 8))
    assert [block.calls for block in system.model.blocks] == [1, 1, 1]


def test_a_copy_of_a_checkpointed_module_uses_its_own_weights() -> None:
    system = small()
    with asked(system, activation_checkpointing=True):
        twin = copy.deepcopy(system).eval()
        x = torch.randn(2, 8)
        with torch.no_grad():
            before = twin.model(x)
            for param in system.parameters():
                param.zero_()
            assert torch.equal(twin.model(x), before)


@pytest.mark.parametrize("target", [[], "model", ["model.blocks.*", "model.head"], "model.blocks.1.linear"])
def test_compiled_modules_keep_names_and_results(target: Any) -> None:
    torch._dynamo.reset()
    plain, system = small(), small()
    expected = step(plain)
    with asked(system, compile={"backend": "aot_eager", "target": target}):
        assert system.state_dict().keys() == plain.state_dict().keys()
        assert [name for name, _ in system.named_modules()] == [name for name, _ in plain.named_modules()]
        assert any(module._compiled_call_impl is not None for module in system.modules())
        found = step(system)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_compiling_and_checkpointing_go_together() -> None:
    torch._dynamo.reset()
    plain, system = small(), small()
    for each in (plain, system):
        for block in each.model.blocks:
            block.norm = nn.Identity()  # type: ignore[assignment]
            block.dropout = nn.Identity()  # type: ignore[assignment]
    expected = step(plain)
    with asked(system, compile={"backend": "aot_eager"}, activation_checkpointing=True):
        found = step(system)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_default_compiler_gives_the_same_gradients() -> None:
    torch._dynamo.reset()
    plain, system = small(), small()
    for each in (plain, system):
        for block in each.model.blocks:
            block.dropout.p = 0.0
    expected = step(plain)
    with asked(system, compile={"target": "model.head"}):
        found = step(system)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


class Elsewhere(Offload):
    """As if the CPU were a device: what is packed is a copy in another format."""

    def _pack(self, tensor: Tensor) -> Any:
        if (tensor.is_leaf and tensor.requires_grad) or tensor.numel() * tensor.element_size() <= self.above:
            return tensor
        return tensor.device, tensor.clone(), False


def test_offloading_gives_the_same_gradients() -> None:
    plain, system = small(), small()
    expected = step(plain)
    with asked(system, offload_saved_tensors=True, offload_above=0):
        assert same(expected, step(system))
    with Elsewhere(0, pinned=False):
        assert same(step(plain, 2), step(system, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("how", [True, "pinned"])
def test_offloading_keeps_the_device_empty(how: Any) -> None:
    weight = torch.randn(1024, 1024, device="cuda", requires_grad=True)
    options = ModeOptions.model_validate({"offload_saved_tensors": how})

    def held(used: ModeOptions) -> tuple[int, Tensor]:
        weight.grad = None
        with modes(used, nn.Linear(1, 1), torch.device("cuda", 0)):
            before = torch.cuda.memory_allocated()
            x = weight * 2
            for _ in range(8):
                x = torch.sin(x)
            held = torch.cuda.memory_allocated() - before
            x.sum().backward()
        assert weight.grad is not None
        return held, weight.grad.clone()

    plain, expected = held(ModeOptions())
    offloaded, found = held(options)
    assert offloaded < plain / 3
    assert torch.equal(expected, found)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_channels_last_batches_have_the_same_values(rows: int, channels: int, size: int) -> None:
    batch = {
        "image": torch.randn(rows, channels, size, size + 1),
        "volume": torch.randn(rows, channels, 2, size, size),
        "x": torch.randn(rows, 3),
    }
    found = in_channels_last(batch)
    assert same(batch, found)
    assert found["image"].is_contiguous(memory_format=torch.channels_last)
    assert found["volume"].is_contiguous(memory_format=torch.channels_last_3d)
    assert found["x"] is batch["x"]


def test_a_system_in_channels_last_computes_the_same() -> None:
    plain, system = small(), small()
    batch = {"image": torch.randn(2, 3, 6, 6)}
    with asked(system, channels_last=True) as active:
        weight = system.image[0].weight
        assert weight.is_contiguous(memory_format=torch.channels_last)
        output = system.image(active.batch(batch)["image"])
        assert output.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(output, plain.image(batch["image"]))
    assert system.image[0].weight is weight
    assert weight.is_contiguous()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"activation_checkpointing": "model.block.*"}, r"no module is named 'model\.block\.\*'(.|\n)*did you mean"),
        ({"compile": {"target": "modle"}}, r"compile\.target(.|\n)*did you mean 'model'"),
        ({"compile": {"backend": "inducter"}}, r"no compiler 'inducter'(.|\n)*did you mean 'inductor'"),
        ({"default_device": "gpu0"}, "there is no device 'gpu0'"),
    ],
)
def test_names_of_nothing_are_refused_with_the_nearest(options: dict[str, Any], said: str) -> None:
    before = torch_state()
    with pytest.raises(ConfigError, match=said), asked(small(), **options):
        pass
    assert torch_state() == before


def test_a_missing_cpp_compiler_is_told_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"none of no-such-compiler is on the path"), asked(small(), compile=True):
        pass


def test_checkpointing_without_blocks_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match=r"name the modules: 0, 1"),
        asked(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), activation_checkpointing=True),
    ):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_threads": 0},
        {"default_dtype": "int32"},
        {"compile": {"mode": "fast"}},
        {"offload_saved_tensors": "disk"},
        {"chanels_last": True},
    ],
)
def test_impossible_modes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModeOptions.model_validate(wrong)


LIGHT = """
import sys, torch
from torch import nn
from trainwright.engine.mode_options import ModeOptions
from trainwright.engine.modes import modes
asked = ModeOptions(deterministic=True, flush_denormal=True, channels_last=True, offload_saved_tensors=True, num_threads=1)
with modes(asked, nn.Sequential(nn.Linear(2, 2)), torch.device("cpu")):
    pass
heavy = [name for name in ("torch._dynamo", "torch._inductor", "sympy", "pandas", "sklearn", "scipy") if name in sys.modules]
assert not heavy, heavy
"""


def test_modes_import_no_compiler_unless_it_is_asked_for() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, env=os.environ | {"PYTHONPATH": "src"})
