"""The JSON Schema of a file accepts and refuses what the program does, for tables and for systems of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import ROOT, blocks, pages
from schema_checker import Checker

from trainwright.cli.schema import text

CHECKER = Checker(json.loads(text()))
GRAPH = {"type": "graph", "nodes": [{"Linear": [4, 2]}]}

GOOD: list[dict[str, Any]] = [
    {"data": {"source": "titanic.csv"}, "targets": ["survived"]},
    {"data": {"source": "titanic.csv"}, "model": {"combiner": "concat"}, "trainer": {"max_epochs": 3}},
    {"model": GRAPH},
    {"model": GRAPH, "loss": [{"type": "mse", "weight": [0, 1.0, 0.1, 500]}], "metrics": ["accuracy"], "target": 1},
    {"model": GRAPH, "data": {"type": "tensors", "train": "a.npz"}, "trainer": {"optimizer": {"type": "adam"}}, "run": {"seed": 3}},
    {"system": {"type": "plain", "model": GRAPH}},
    {"system": {"type": "plain", "model": "graph"}},
    {"imports": ["./parts.py"], "system": "my-system"},
    {"imports": ["./parts.py"], "system": {"type": "my-system:mixin", "anything": {"type": "sphere"}}, "data": {"type": "scenes", "n": 3}},
    {"system": {"type": "./my_system.py:MySystem", "loss": {"lambda_x": [0, 1.0, 0.1, 5000]}}, "data": "./my_data.py:make"},
    {"parser": "./my_args.py:make", "arguments": ["--n", "3"], "system": "./my_system.py:MySystem"},
    {"model": GRAPH, "trainer": {"precision": "bf16", "strategy": "ddp", "modes": {"compile": True}, "ema": 0.99}},
    {"data": {"source": "titanic.csv", "cache": "memory", "cache_memory": "25%"}, "targets": ["survived"]},
    {"model": GRAPH, "trainer": {"precision": {"type": "bf16"}, "strategy": {"type": "ddp", "hook": "fp16"}}},
    {"system": "diffusion", "trainer": {"sampling": "500 steps", "sample_metrics": ["fid", {"type": "kid"}]}},
    {"system": "diffusion", "trainer": {"sampling": {"every": "1 epoch"}, "sample_metrics": "fid,kid"}},
    {"system": {"type": "diffusion", "weights": "runs/digits", "augment": 0.12}, "data": {"source": "builtin:digits_images"}},
]
BAD: list[dict[str, Any]] = [
    {},
    {"trainer": {"max_epochs": 3}},
    {"targets": ["survived"], "system": "my-system"},
    {"columns": {"age": "number"}, "model": GRAPH},
    {"system": {"type": "plain", "model": GRAPH}, "model": GRAPH},
    {"system": {"type": "plain", "model": GRAPH}, "loss": "mse"},
    {"system": {"type": "plain", "model": GRAPH, "metric": ["accuracy"]}},
    {"system": "my-system", "trainer": {"max_epoch": 3}},
    {"system": "my-system", "run": {"seed": "three"}},
    {"system": "my-system", "imports": "./parts.py"},
    {"model": GRAPH, "data": {"source": "titanic.csv", "type": "tensors"}},
    {"model": {"type": "graph", "node": []}},
    {"model": GRAPH, "evaluation": {"intervals": False}},
    {"model": GRAPH, "trainer": {"precision": "bf17"}},
    {"model": GRAPH, "trainer": {"strategy": "dpp"}},
    {"data": {"source": "titanic.csv", "cache_memory": 0.95}, "targets": ["survived"]},
]
IN_PIECES: list[dict[str, Any]] = [
    {"base": "own.yaml", "trainer": {"max_steps": 5}},
    {"base": "own.yaml", "data": {"rows": 30}},
    {"base": "own.yaml", "system": {"field": {"width": 3}}},
    {"base": "own.yaml", "model": {"nodes": []}},
    {"base": "titanic.yaml", "columns": {"age": "number"}},
]


@pytest.mark.parametrize("config", GOOD, ids=str)
def test_what_is_right_is_accepted(config: dict[str, Any]) -> None:
    assert CHECKER.fits(config)


@pytest.mark.parametrize("config", BAD, ids=str)
def test_what_is_wrong_is_refused_as_by_the_program(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainwright.cli.main import main

    assert not CHECKER.fits(config)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown.yaml").write_text(yaml.safe_dump(config))
    assert main(["validate", "shown.yaml"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("config", IN_PIECES, ids=str)
def test_a_file_on_a_base_may_be_of_either_kind(config: dict[str, Any]) -> None:
    assert CHECKER.fits(config)
    assert not CHECKER.fits({**config, "trainers": {}})


def test_every_titled_configuration_of_the_pages_is_accepted() -> None:
    shown = [each for page in pages() for each in blocks(page) if each.kind == "yaml" and each.title and not each.exit_code]
    assert shown
    assert not [each.title for each in shown if not CHECKER.fits(yaml.safe_load(each.text))]


def test_every_shipped_configuration_is_accepted() -> None:
    assert not [path.name for path in (ROOT / "configs").rglob("*.yaml") if not CHECKER.fits(yaml.safe_load(path.read_text()))]
