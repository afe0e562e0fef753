from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainwright.config import foreign, typecheck
from trainwright.config.errors import ConfigError

NET = """
from __future__ import annotations
from typing import TYPE_CHECKING
import torch
from jaxtyping import Float
from torch import Tensor, nn
import my_layers
if TYPE_CHECKING:
    from nowhere import Ghost

class Net(nn.Module):
    def __init__(self, width: int = 3):
        super().__init__()
        self.layer = nn.Linear(width, 2)

    def forward(self, x: Float[Tensor, "rows 3"]) -> Float[Tensor, "rows 2"]:
        return my_layers.twice(self.layer(x))

    def ghost(self, x: Ghost) -> int:
        return 1

    def again(self) -> Later:
        return Later()

class Later: ...
"""
LAYERS = """
from jaxtyping import Float
from torch import Tensor

def twice(x: Float[Tensor, "rows 2"]) -> Float[Tensor, "rows 2"]:
    return 2 * x
"""
PROGRAM = """
import sys
from trainwright.config import typecheck, foreign
typecheck.install()
typecheck.install()
import torch
{body}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "my_layers.py").write_text(LAYERS)
    return tmp_path


def run(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(body=body)], cwd=folder, capture_output=True, text=True, timeout=60)


def test_a_wrong_shape_names_function_and_argument_in_files_and_in_what_they_import(folder: Path) -> None:
    body = """
net = foreign.found_at("./net.py:Net")[0]
assert net().forward(torch.zeros(4, 3)).shape == (4, 2)
assert net().ghost(3) == 1 and net().again()
import my_layers, jaxtyping
for call in (lambda: net()(torch.zeros(4, 5)), lambda: my_layers.twice(torch.zeros(3)), lambda: net("wide")):
    try:
        call()
    except jaxtyping.TypeCheckError as error:
        print(" ".join(str(error).split())[:400])
"""
    found = run(folder, body)
    assert found.returncode == 0, found.stderr
    forward, twice, made = found.stdout.splitlines()
    assert ".Net.forward" in forward and "parameter 'x'" in forward
    assert "my_layers.twice" in twice and "parameter 'x'" in twice
    assert "Net.__init__" in made and "parameter 'width'" in made


def test_functions_of_trainwright_that_take_tensors_are_checked_and_installed_packages_are_not(folder: Path) -> None:
    body = """
import jaxtyping, yaml
from trainwright.nn.networks.mlp import MLP
assert not hasattr(yaml.safe_load, "__wrapped__") and hasattr(MLP.forward, "__wrapped__")
try:
    MLP(3, [4])(None)
except jaxtyping.TypeCheckError as error:
    print("MLP.forward" in str(error))
"""
    found = run(folder, body)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "True\n"


WRONG = """
from jaxtyping import Float, Int
from torch import Tensor, nn

class S(nn.Module):
    def f(self, x: Float[Tensor, "b 3"], y: Int[Tensor, "b"] | None = None, *, k: int = 1) -> Float[Tensor, "b 3"]:
        return x if k == 1 else x[:, :2]

    def g(self, x: Tensor, names: list[str]) -> int:
        return self.f(x)
"""


def test_an_error_of_the_check_is_one_readable_line(folder: Path) -> None:
    (folder / "wrong.py").write_text(WRONG)
    body = """
s = foreign.found_at("./wrong.py:S")[0]()
import beartype
def plain(x: int) -> int:
    return x
def calls():
    yield lambda: s.f(torch.zeros(4, 2))
    yield lambda: s.f(torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64))
    yield lambda: s.f(torch.zeros(4, 3), k=2)
    yield lambda: s.f(torch.zeros(4, 3), k="a")
    yield lambda: s.g(torch.zeros(()).bool(), [])
    yield lambda: s.g(torch.zeros(3), [1] * 100)
    yield lambda: beartype.beartype(plain)("a")
    yield lambda: [][1]
    yield lambda: (_ for _ in ()).throw(ValueError())
    yield lambda: (_ for _ in ()).throw(RuntimeError("one\\ntwo"))
for call in calls():
    try:
        call()
    except Exception as error:
        print(typecheck.readable(error))
"""
    found = run(folder, body)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[:5] == [
        "S.f: argument x is Float[Tensor, 'b 3'], got (4, 2) float32, where b is 4",
        "S.f: argument y is Int[Tensor, 'b'] | None, got (5,) int64, where b is 4",
        "S.f: the result is Float[Tensor, 'b 3'], got (4, 2) float32, where b is 4",
        "S.f: argument k is int, got 'a'",
        "S.f: argument x is Float[Tensor, 'b 3'], got () bool (wrong.py:10)",
    ]
    assert re.fullmatch(r"S\.g: argument names is list\[str\], got \[ ?1, 1, .*…", lines[5])
    assert lines[6].startswith("Function __main__.plain() parameter x='a' violates type hint")
    assert lines[7:] == ["IndexError: list index out of range", "ValueError", "RuntimeError: one"]


def test_importing_the_check_needs_no_torch() -> None:
    program = "import trainwright.config.typecheck as t, sys; t.install(); assert 'torch' not in sys.modules; t.uninstall()\n"
    program += "from trainwright.config import foreign; assert not foreign.loaders and not t.is_installed()"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = typecheck.importlib.util.find_spec
    monkeypatch.setattr(typecheck.importlib.util, "find_spec", lambda name, *more: None if name == "beartype" else real(name, *more))
    with pytest.raises(ConfigError) as caught:
        typecheck.install()
    assert caught.value.why == "beartype is not installed" and caught.value.fix == "pip install 'trainwright[typecheck]'"
    assert not typecheck.is_installed() and not foreign.loaders


def test_a_file_that_a_package_hides_is_loaded_unchecked_and_this_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "net").mkdir()
    (folder / "net" / "__init__.py").touch()
    with caplog.at_level("WARNING", "trainwright.config"):
        assert typecheck.loader_of_file("x", folder / "net.py") is None
    assert "net.py is not checked" in caplog.text
    assert typecheck.loader_of_file("x", folder / "my_layers.py") is not None
