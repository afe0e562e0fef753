from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver

from fork_server import fork_server, write_missing


def test_processes_begin_with_everything_imported_also_where_another_server_was_begun_before(tmp_path):
    forkserver._forkserver.__init__()
    other = multiprocessing.get_context("forkserver").Process(target=write_missing, args=(tmp_path / "other",))
    other.start()
    process = fork_server().Process(target=write_missing, args=(tmp_path / "ours",))
    process.start()
    process.join(60)
    other.join(60)
    assert (process.exitcode, other.exitcode) == (0, 0)
    assert (tmp_path / "ours").read_text() == ""
    assert "killed_run" in (tmp_path / "other").read_text()
