"""A program that computes, forks and trains in what it forked: torch's threads are not forked, and nothing waits for them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fork_server import fork_server


def compute_fork_and_train(folder: Path) -> None:
    import torch

    import trainwright as tw

    torch.set_num_threads(2)
    torch.randn(2_000_000).exp().sum()  # large enough for torch to begin its threads
    number = os.fork()
    if number == 0:
        x = torch.randn(256, 6)
        tw.fit(torch.nn.Linear(6, 2), (x, (x[:, 0] > 0).long()), loss="cross_entropy", max_steps=2, run_dir=folder / "r", console=False)
        (folder / "threads").write_text(str(torch.get_num_threads()))
        os._exit(0)
    ends = time.monotonic() + 60
    while os.waitpid(number, os.WNOHANG) == (0, 0):
        if time.monotonic() > ends:
            os.kill(number, 9)
            os._exit(1)
        time.sleep(0.05)


def test_a_forked_process_trains_with_the_one_thread_it_has(tmp_path: Path) -> None:
    process = fork_server().Process(target=compute_fork_and_train, args=(tmp_path,))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert (tmp_path / "threads").read_text() == "1"
    assert (tmp_path / "r" / "results.json").is_file()
