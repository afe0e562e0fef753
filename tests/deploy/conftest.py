"""One run with a column of every type, and its exported file, for all tests of this room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from every_input import COLUMNS, write_table

import trainwright as tw


@pytest.fixture(scope="session")
def every_row(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Rows with a column of every type; two targets."""
    return write_table(tmp_path_factory.mktemp("rows"), 40)


@pytest.fixture(scope="session")
def every_run(every_row: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    quick = {"baselines": [], "importance": False, "report": False}
    place = tmp_path_factory.mktemp("run") / "every-input"
    return tw.train(every_row, target=["grade", "price"], columns=COLUMNS, run_dir=place, trainer={"max_epochs": 1}, evaluation=quick)


@pytest.fixture(scope="session")
def every_model(every_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as `model.onnx`."""
    model = tmp_path_factory.mktemp("exported") / "model.onnx"
    tw.export(every_run.path, "onnx", model)
    return model
