from __future__ import annotations

from pathlib import Path

import player
import pytest
from pages import ROOT, blocks, pages

from fork_server import fork_server

PLAYED = [page for page in pages() if any(block.is_ours and block.skip is None for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_python_block_of_the_page_works(page: Path, tmp_path: Path) -> None:
    folder, said = tmp_path / "page", tmp_path / "said.txt"
    folder.mkdir()
    process = fork_server().Process(target=player.process, args=(page, folder, said))
    process.start()
    process.join(300)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode == 0, said.read_text()


def test_a_block_that_is_not_run_says_why() -> None:
    for page in pages():
        for block in blocks(page):
            assert block.skip != "", f"{page.relative_to(ROOT)}:{block.line}: `not run` needs a reason"
