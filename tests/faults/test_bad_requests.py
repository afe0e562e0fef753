from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from bad_requests import TABLE, prepare_folder, requests

from trainwright.cli.main import main
from trainwright.config import foreign

PARTS = 4
PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
PATIENCE = 60
"""Seconds after which a request counts as one that hangs."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    prepare_folder(folder)
    before = Path.cwd()
    os.chdir(folder)
    assert main(["train", "t.csv", "--target", "y", "run.dir=table", *TABLE.split()]) == 0
    assert main(["train", "own.yaml", "run.dir=own"]) == 0
    os.chdir(before)
    return folder


def listed(folder):
    """Everything below a folder: name, size, time of the last change."""
    found = {}
    for each in folder.rglob("*"):
        if "__pycache__" not in each.parts:
            status = each.lstat()
            found[str(each.relative_to(folder))] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def answer(words):
    """Exit code (or what was raised) and text of a request made in this process."""

    def hangs(number, frame):
        raise TimeoutError

    out, err = io.StringIO(), io.StringIO()
    old = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(PATIENCE)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    except BaseException as error:  # noqa: BLE001 (whatever comes out of a request is a finding)
        code = repr(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    return code, err.getvalue()


def fault(words, folder, before):
    """What is wrong with the answer to a bad request; nothing where it is as it should be."""
    code, text = answer(words)
    if code != 2:
        return f"exit code {code}: {text[-300:]}"
    if "Traceback" in text or "not foreseen" in text:
        return f"a traceback: {text[-300:]}"
    if not re.search(r"^error: \S", text, re.MULTILINE) or not re.search(r"^  fix: \S", text, re.MULTILINE):
        return f"no words: {text[:300]}"
    after = listed(folder)
    if after != before:
        return f"something was written: {sorted(set(after.items()) ^ set(before.items()))[:4]}"
    return ""


@pytest.mark.parametrize("part", range(PARTS))
def test_bad_requests_are_refused_in_words_and_write_nothing(place, monkeypatch, part):
    monkeypatch.chdir(place)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    asked = list(requests(place))
    before = listed(place)
    loaders, finders, level = list(foreign.loaders), list(sys.meta_path), logging.getLogger("trainwright").level
    faults = []
    for words in asked[part::PARTS]:
        said = fault(words, place, before)
        if said:
            faults.append(f"{[each[:60] for each in words]}: {said}")
            before = listed(place)
        foreign.loaders[:], sys.meta_path[:] = loaders, finders
    logging.getLogger("trainwright").setLevel(level)
    assert not faults, f"{len(faults)} of {len(asked[part::PARTS])}:\n" + "\n".join(faults)


def test_the_page_states_how_many_bad_requests_are_made(tmp_path):
    count = sum(1 for _ in requests(tmp_path))
    stated = re.search(r"More than ([0-9,]+) bad requests", PAGE.read_text())
    assert stated
    assert 1000 <= int(stated[1].replace(",", "")) < count  # the count rises with every flag and option
