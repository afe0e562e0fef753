"""Own operations: gradients that are wrong are found and placed, and C++ is built once and imported by name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from trainwright.cli import gradcheck, main
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at, looking_in
from trainwright.nn import extensions
from trainwright.nn.extension_options import ExtensionOptions
from trainwright.nn.extensions import build_extensions, cache_folder, check_tools
from trainwright.tools.gradcheck import check_gradients

OPS = """
import torch
from torch import nn

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale=1.0):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x**3
    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return 3 * ctx.scale * x**2 * grad, None

class Power(torch.autograd.Function):
    @staticmethod
    def forward(x, n):
        return x**n
    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.n = inputs
        ctx.save_for_backward(x)
    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return grad * ctx.n * x ** (ctx.n - 1), None

class WrongAtOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x @ y
    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        by_x = grad @ y.T
        by_x[1, 2] += 0.5
        return by_x, x.T @ grad

class WrongSecond(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3
    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return 3 * x.detach() ** 2 * grad

class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)
    @staticmethod
    def backward(ctx, grad):
        return 2 * grad

class Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x
    @staticmethod
    def backward(ctx, grad):
        raise KeyError("lost")

class Missing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.log()
    @staticmethod
    def backward(ctx, grad):
        return grad * float("nan")

def pick(x, index, *, scale=1.0):
    return scale * x[index], x.sum()

def cut(x):
    return x.detach() * 2

def rotated(z):
    return z * 1j + z.conj()

class Gated(nn.Module):
    def __init__(self, width: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias)
    def forward(self, x):
        return x * torch.sigmoid(self.linear(x))
"""
SOURCE = """
#include <pybind11/pybind11.h>
#include "factor.h"
double grown(double x) { return x * FACTOR; }
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("grown", &grown); }
"""
BUILDABLE = shutil.which("c++") is not None and shutil.which("ninja") is not None


@pytest.fixture
def ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_ops.py").write_text(OPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(main.COMMANDS, "gradcheck", "compare gradients")
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def command(line: str) -> int:
    return main.main(["gradcheck", *line.split()])


@pytest.mark.parametrize(
    "line",
    [
        "./own_ops.py:Cube --inputs 3x4",
        "./own_ops.py:Cube scale=2.5 --inputs 3 --second",
        "./own_ops.py:Power n=3 --inputs 5 --second",
        "./own_ops.py:Cube --inputs 3 --dtype float32",
        "./own_ops.py:Doubled --inputs 2x2",
        "./own_ops.py:pick scale=3.0 --inputs 4,2:int64",
        "./own_ops.py:rotated --inputs 3 --dtype complex128",
        "./own_ops.py:Gated width=3 --inputs 2x3",
        "torch.nn.Bilinear in1_features=3 in2_features=2 out_features=2 --inputs 4x3,4x2",
        "torch.nn.LSTM input_size=2 hidden_size=2 --inputs 3x1x2",
        "torch.nn.Embedding num_embeddings=3 embedding_dim=2 --inputs 5:int64",
        "torch.atan2 --inputs (),()",
    ],
)
def test_right_gradients_are_said_to_be_right(line: str, ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "atan2" in line:  # a builtin has no signature, and needs none without named arguments
        (ops / "angle.py").write_text("import torch\ndef angle(a, b):\n    return torch.atan2(a, b)\n")
        line = line.replace("torch.atan2", "./angle.py:angle")
    assert command(line) == 0
    shown = capsys.readouterr().out
    assert " are right: " in shown and ("first and second derivatives" in shown) == ("--second" in line)


def test_a_wrong_gradient_is_placed(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("./own_ops.py:WrongAtOne --inputs 2x3,3x2 --seed 1") == 1
    shown = capsys.readouterr().out
    assert "gradients of ./own_ops.py:WrongAtOne are wrong: 2 inputs, 12 elements, float64" in shown
    assert re.search(r"input 0 +2x3 +0\.5 +\[1, 2\] +\[", shown) and re.search(r"input 1 +3x2 +\d\.?\d*e-\d\d ", shown)
    assert re.search(r"furthest: input 0\[1, 2\] by output \[\d, \d\]: backward gives [-\d.]+, differences [-\d.]+", shown)
    assert "Jacobian mismatch for output 0 with respect to input 0" in shown and "tensor(" not in shown


def test_a_wrong_second_derivative_is_found_only_when_it_is_asked_for(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("./own_ops.py:WrongSecond --inputs 3") == 0
    assert command("./own_ops.py:WrongSecond --inputs 3 --second") == 1
    assert "second derivatives:" in capsys.readouterr().out


def test_a_backward_that_raises_or_gives_nan_is_no_right_one(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("./own_ops.py:Raising --inputs 2") == 1
    assert "its backward fails\n  why: KeyError: 'lost'" in capsys.readouterr().err
    assert command("./own_ops.py:Missing --inputs 2") == 1
    assert "inf" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("./own_ops.py:Cube", "gradcheck needs what to check and the shapes of its inputs"),
        ("./own_ops.py:Cube --inputs 2y", "--inputs: '2y' is no input"),
        ("./own_ops.py:Cube --inputs 2:float16", "inputs are float64"),
        ("./own_ops.py:Cube --inputs ,", "there are no inputs"),
        ("./own_ops.py:Cube --inputs 2 --dtype float16", "gradients are not checked in float16"),
        ("./own_ops.py:Cube scal=2 --inputs 2", "forward of Cube takes no argument 'scal'\n  fix: did you mean 'scale'?"),
        ("./own_ops.py:Cube 2 --inputs 2", "'2' is no argument"),
        ("./own_ops.py:Cub --inputs 2", "cannot import './own_ops.py:Cub'"),
        ("./own_ops.py:WrongAtOne --inputs 2x3,4x2", "it cannot be called with inputs of shape 2×3, 4×2"),
        ("./own_ops.py:Gated --inputs 2x3", "Gated cannot be made so\n  why: missing a required argument: 'width'"),
        ("./own_ops.py:Gated widht=2 --inputs 2x3", "it takes no argument 'widht'\n  fix: did you mean 'width'?"),
        ("./own_ops.py:cut --inputs 2", "no output depends on the inputs by a gradient"),
        ("./own_ops.py:pick --inputs 4:int64,2:int64", "no input requires a gradient"),
    ],
)
def test_wrong_requests_are_refused(line: str, said: str, ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(line) == 2
    assert said in capsys.readouterr().err


def test_largest_differences_are_those_of_the_jacobians() -> None:
    def quadratic(x: Tensor) -> Tensor:
        return x.square().sum()

    x = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    verdict = check_gradients(quadratic, {"x": x})
    assert verdict.right and verdict.differences[0].largest < 1e-8
    assert verdict.differences[0].analytical == pytest.approx(verdict.differences[0].numerical, abs=1e-8)
    assert torch.equal(x, torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    with pytest.raises(ConfigError, match="gradients are not checked in float16"):
        check_gradients(quadratic, {"x": x.detach().half().requires_grad_()})


def test_the_help_of_the_command_needs_no_torch() -> None:
    program = "import sys, trainwright.cli.gradcheck as g; g.parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert "gradcheck" in gradcheck.parser().format_help()


def extension(folder: Path, **given: object) -> ExtensionOptions:
    (folder / "ops.cpp").write_text(SOURCE)
    (folder / "factor.h").write_text("#define FACTOR 3\n")
    return ExtensionOptions.model_validate({"name": "tw_test_ops", "sources": ["./ops.cpp"], "cflags": ["-O0"], **given})


@pytest.mark.slow
@pytest.mark.skipif(not BUILDABLE, reason="there is no compiler or no ninja")
def test_an_extension_is_built_once_and_imported_by_name_also_in_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    options = extension(tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "cache"))
    with looking_in([tmp_path / "configs"]):
        first, second = build_extensions([options])[0], build_extensions([options])[0]
        assert first.compiled and not second.compiled and first.folder == second.folder
        assert found_at("tw_test_ops:grown")[0](2.0) == 6
        program = (
            "import torch, sys; from trainwright.nn.extensions import build_extensions as build;"
            "from trainwright.nn.extension_options import ExtensionOptions as Options;"
            "made = build([Options(name='tw_test_ops', sources=['./ops.cpp'], cflags=['-O0'])]);"
            "import tw_test_ops; print(made[0].compiled, tw_test_ops.grown(1.0))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path / "configs", env={**os.environ})
        assert done.stdout.split() == ["False", "3.0"], done.stderr
        (tmp_path / "configs/ops.cpp").write_text("double grown(double x) { return y; }\n")
        with pytest.raises(ConfigError) as error:
            build_extensions([options])
    said = str(error.value)
    assert "extension 'tw_test_ops' does not compile" in said and "ops.cpp:1:33: error:" in said
    assert len(said.splitlines()) <= 8 and Path(error.value.fix.partition(": ")[2]).is_file()
    del sys.modules["tw_test_ops"]


def test_the_folder_depends_on_all_that_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = extension(tmp_path)

    def content(given: ExtensionOptions) -> str:
        return extensions._content(given, [tmp_path / "ops.cpp"], [])

    first = content(options)
    assert content(options) == first
    assert content(extension(tmp_path, cflags=["-O3"])) != first
    (tmp_path / "factor.h").write_text("#define FACTOR 4\n")
    assert content(options) != first


def test_missing_tools_are_named_with_the_line_that_installs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = extension(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler 'no-such-compiler'\n  fix: install one \(Debian: apt-get install g\+\+\)"):
        build_extensions([options], tmp_path / "cache")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/c++").symlink_to(sys.executable)
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if not (Path(sys.executable).parent / "ninja").exists():
        with pytest.raises(ConfigError, match="there is no ninja\n  fix: pip install ninja"):
            check_tools("ops", [tmp_path / "ops.cpp"], "extensions.0")


@pytest.mark.skipif(torch.version.cuda is not None or not BUILDABLE, reason="CUDA sources can be built here, or nothing can")
def test_cuda_sources_need_a_cuda_torch() -> None:
    with pytest.raises(ConfigError, match=r"there is no CUDA toolkit|this torch is built without CUDA"):
        check_tools("ops", [Path("kernels.cu")], "extensions.0")


def test_names_and_files_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = extension(tmp_path)
    with pytest.raises(ConfigError, match=r"extensions\.0\.sources: there is no '\./opps\.cpp'\n  why: looked at"):
        build_extensions([extension(tmp_path, sources=["./opps.cpp"])], tmp_path)
    with pytest.raises(ConfigError, match="'json' is a module already\n  fix: call it json_ops"):
        build_extensions([extension(tmp_path, name="json")], tmp_path)
    with pytest.raises(ConfigError, match="two extensions are called 'tw_test_ops'"):
        build_extensions([options, options], tmp_path)
    with pytest.raises(ValidationError, match="'my-ops' cannot be imported"):
        extension(tmp_path, name="my-ops")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"extensions cannot be kept here\n  why: Not a directory"):
        build_extensions([options], tmp_path / "file")


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/trainwright/extensions")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/trainwright")
