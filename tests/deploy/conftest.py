"""Trained tables with their ONNX files, shared by the tests of what is made of a run: an export takes seconds."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from files_and_lists import COLUMNS, write_table
from shipped_guests import QUICK, Shipped, ShippedFiles, guests

import trainwright as tw

RUN, ONNX, ROWS, NAMES = "run", "onnx", "rows.pickle", "names.json"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process of a test run that asks for it makes; those beside it wait, and read it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)
    return folder


def train_and_export(folder: Path, rows: Any, **options: Any) -> None:
    run = tw.train(rows, run_dir=folder / RUN, **options, **QUICK)
    exported = tw.export(run.path, "onnx", folder / ONNX)
    (folder / NAMES).write_text(json.dumps([each.name for each in exported.files]))


def ship_guests(folder: Path) -> None:
    columns = {"likes": {"type": "set"}, "since": {"type": "date"}, "port": {"type": "category", "join": ["case"]}}
    train_and_export(folder, guests(), target=["stays", "spends"], columns=columns)


def ship_files(folder: Path) -> None:
    folder.mkdir()
    rows = write_table(folder, 40)
    rows.to_pickle(folder / ROWS)
    train_and_export(folder, rows, target="price", columns=COLUMNS)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """The run of guests, exported as ONNX."""
    folder = made_once(tmp_path_factory, "shipped", ship_guests)
    return Shipped(tw.load(folder / RUN), folder / ONNX, json.loads((folder / NAMES).read_text()))


@pytest.fixture(scope="session")
def shipped_files(tmp_path_factory: pytest.TempPathFactory) -> ShippedFiles:
    """A run of lists, texts, pictures and recordings, exported as ONNX."""
    folder = made_once(tmp_path_factory, "shipped-files", ship_files)
    names = json.loads((folder / NAMES).read_text())
    return ShippedFiles(tw.load(folder / RUN), folder / ONNX, names, pd.read_pickle(folder / ROWS))
