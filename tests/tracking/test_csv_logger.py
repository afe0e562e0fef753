from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainwright as tw


def test_a_new_file_begins_with_its_columns_and_each_line_is_there_at_once(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    logger = tw.CSVLogger(file, ["step", "loss"])
    assert file.read_text() == "step,loss\n"
    logger.write(1, 0.1 + 0.2)
    assert file.read_text() == "step,loss\n1,0.30000000000000004\n"
    logger.write(2, float("nan"))
    assert file.read_text().splitlines()[-1] == "2,nan"


def test_a_file_that_exists_is_appended_to_without_another_header(tmp_path: Path) -> None:
    for step in (1, 2):
        with tw.CSVLogger(str(tmp_path / "log.csv"), ("step", "loss")) as logger:
            logger.write(step, step / 4)
    assert (tmp_path / "log.csv").read_text() == "step,loss\n1,0.25\n2,0.5\n"


def test_a_file_that_was_there_first_keeps_what_it_has_even_when_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "log.csv").touch()
    with tw.CSVLogger(tmp_path / "log.csv", ["step"]) as logger:
        logger.write(1)
    assert (tmp_path / "log.csv").read_text() == "1\n"


def test_numbers_and_words_are_written_as_print_writes_them(tmp_path: Path) -> None:
    with tw.CSVLogger(tmp_path / "log.csv", ["a"]) as logger:
        logger.write(1, 2.5, None, True, "word", 1e-08)
    assert (tmp_path / "log.csv").read_text().splitlines()[1] == "1,2.5,None,True,word,1e-08"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")), min_size=2, max_size=4))
def test_every_text_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    file = tmp_path_factory.mktemp("texts") / "log.csv"
    with tw.CSVLogger(file, ["column"]) as logger:
        logger.write(*values)
    with open(file, encoding="utf-8", newline="") as opened:
        assert list(csv.reader(opened))[1] == values


def test_texts_that_a_spreadsheet_would_run_are_escaped_on_request(tmp_path: Path) -> None:
    with tw.CSVLogger(tmp_path / "log.csv", ["=step"], escape_formulas=True) as logger:
        logger.write(-1.5, "=1+1", "@x", "a=b")
    assert (tmp_path / "log.csv").read_text() == "'=step\n-1.5,'=1+1,'@x,a=b\n"


def test_lines_of_a_killed_process_are_whole(tmp_path: Path) -> None:
    program = "import os, sys, trainwright as tw; tw.CSVLogger(sys.argv[1], ['a', 'b']).write(1, 2); os._exit(9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log.csv")], check=False)
    assert (tmp_path / "log.csv").read_text() == "a,b\n1,2\n"


def test_it_needs_no_torch() -> None:
    program = "import sys, trainwright as tw; tw.CSVLogger; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "False"
