from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, blocks, pages

PLAYED = [page for page in pages() if any(block.is_ours and block.skip is None for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_python_block_of_the_page_works(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "140", "NO_COLOR": "1"}
    player = [sys.executable, str(Path(__file__).with_name("player.py")), str(page), str(tmp_path)]
    result = subprocess.run(player, capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_block_that_is_not_run_says_why() -> None:
    for page in pages():
        for block in blocks(page):
            assert block.skip != "", f"{page.relative_to(ROOT)}:{block.line}: `not run` needs a reason"
