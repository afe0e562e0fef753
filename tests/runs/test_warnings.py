"""What becomes of Python's warnings during a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest

from trainwright.runs.log import log_to_file, warnings_as


def warn_twice() -> None:
    for _ in range(2):
        warnings.warn("mind the gap", UserWarning, stacklevel=1)


@pytest.mark.parametrize(("policy", "times", "level"), [("all", 2, "WARNING"), ("log", 2, "DEBUG")])
def test_warnings_are_in_the_log_with_their_place(policy: str, times: int, level: str, tmp_path: Path) -> None:
    with log_to_file(tmp_path / "log.txt"), warnings_as(policy):
        warn_twice()
    lines = [line for line in (tmp_path / "log.txt").read_text().splitlines() if "UserWarning: mind the gap (test_warnings.py:" in line]
    assert len(lines) == times
    assert all(f" - {level}: " in line for line in lines)


def test_once_is_once_a_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("default")
        with warnings_as("once"):
            warn_twice()
    assert caplog.text.count("mind the gap") == 1


def test_a_warning_can_be_an_error_and_what_was_is_put_back() -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    with pytest.raises(UserWarning, match="mind the gap"), warnings_as("error"):
        warn_twice()
    assert (warnings.showwarning, list(warnings.filters)) == (shown, filters)
