"""What the nodes of a graph reach, and what they do not: listed functions that compute, and code of one's own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trainwright.config.errors import ConfigError
from trainwright.config.own_parts import import_modules
from trainwright.tools.graph import graph

OWN = "import os\nfrom os import system\nimport torch\n\n\ndef twice(x):\n    return 2 * x\n"


def told(nodes: list[Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        graph(nodes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("os.system", "os is a module of Python"),
        ("subprocess:run", "subprocess is a module of Python"),
        ("importlib.import_module", "importlib is a module of Python"),
        ("builtins.eval", "builtins is a module of Python"),
        ("numpy.load", "numpy is an installed package"),
        ("pandas:read_pickle", "pandas is an installed package"),
        ("torch.load", "torch is an installed package"),
        ("torch.Tensor.apply_", "torch is an installed package"),
        ("Tensor.register_hook", "torch is an installed package"),
        ("F.handle_torch_function", "torch is an installed package"),
        ("torch.ops.aten.from_file", "torch is an installed package"),
        ("torch.ops.load_library", "torch is an installed package"),
        ("trainwright.cli.main:main", "trainwright is an installed package"),
    ],
)
def test_what_no_list_has_is_refused_wherever_it_stands(kind: str, why: str) -> None:
    as_node = told([{"fc": {"Linear": [2, 2]}}, {kind: {}, "inputs": ["fc", {"value": "text"}]}])
    assert "is nothing that a node may name" in as_node and why in as_node and "docs/graph.md" in as_node
    nested = told([{"type": "graph", "repeat": 2, "nodes": [{kind: {}, "inputs": ["x"]}]}])
    assert "is nothing that a node may name" in nested
    if kind.startswith("torch."):
        as_argument = told([{"TransformerEncoderLayer": [2, 1], "activation": kind}])
        assert "is nothing that a node may name" in as_argument


def test_the_nearest_listed_name_is_told() -> None:
    assert "did you mean 'torch.flatten'?" in told([{"torch.flaten": {}}])


def test_code_of_ones_own_is_a_file_a_package_here_or_one_that_is_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reach_here").mkdir()
    for place in ("reach_here/__init__.py", "reach_here/ops.py", "reach_file.py"):
        (tmp_path / place).write_text(OWN)
    monkeypatch.chdir(tmp_path)
    for kind in ("./reach_file.py:twice", "reach_here.ops:twice", "reach_here.ops.twice", "reach_here:twice"):
        assert graph([{kind: {}}])(torch.ones(1)).item() == 2, kind
    for kind in ("./reach_file.py:system", "./reach_file.py:os.system", "reach_here.ops.os.system", "reach_here:system"):
        assert "system is nothing that a node may name" in told([{kind: {}}]).replace("'", ""), kind


def test_an_installed_package_is_ones_own_where_it_is_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "reach_installed"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    assert "reach_installed is an installed package" in told([{"reach_installed:twice": {}}])
    import_modules(["reach_installed"])
    assert graph([{"reach_installed:twice": {}}])(torch.ones(1)).item() == 2


@pytest.mark.parametrize("name", ["a b", "x] + [print(1)", "relu(x) if 1 else self", 'getattr(__import__("os"), "system")("id") #', "a-b"])
def test_the_name_of_a_layer_never_becomes_code(name: str) -> None:
    chosen = {"md": {"ModuleDict": {name: "ReLU", "b": "Tanh"}}, "choose": {"value": "b"}}
    for first, holder in ((chosen, "md"), ({"seq": {"Sequential": [{"type": "ReLU", "name": name}]}}, "seq")):
        assert "which is no layer" in told([first, {"again": {"use": f"{holder}.{name}"}}])
    assert "not the name of a parameter" in told(
        [{"fc": {"Linear": [2, 2]}}, {"torch.add": {}, "inputs": ["fc", {"parameter": f"fc.{name}"}]}]
    )


RECEIVED = """
from pathlib import Path
from trainwright.config.errors import RequestError
from trainwright.config.trust import reading
from trainwright.tools.graph import Graph

try:
    with reading(Path("received").absolute()):
        Graph.from_yaml(Path("received/graph.yaml").absolute())
except RequestError as error:
    print("refused:", error)
"""


def test_a_folder_called_like_a_listed_package_is_not_that_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("einops") is not None:
        pytest.skip("einops is installed here")
    (tmp_path / "einops").mkdir()
    (tmp_path / "einops" / "__init__.py").write_text(f"open({str(tmp_path / 'MARK')!r}, 'w')\ndef rearrange(x, pattern):\n    return x\n")
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / "graph.yaml").write_text('nodes:\n  - {einops.rearrange: ["a b -> b a"]}\n')
    done = subprocess.run([sys.executable, "-c", RECEIVED], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused:") and "--trust-code" in done.stdout
    assert not (tmp_path / "MARK").exists()
