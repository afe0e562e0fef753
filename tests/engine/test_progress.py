"""What a run says while it trains, and streams that cannot take it."""

from __future__ import annotations

import io
import sys

import pytest
import torch

import trainwright as tw


class Bare:
    """A stream as simple programs make them: it can be written to, and nothing else."""

    def __init__(self, *, broken: bool = False) -> None:
        self.text, self.broken = "", broken

    def write(self, text: str) -> int:
        if self.broken:
            raise OSError(5, "Input/output error")
        self.text += text
        return len(text)


def train() -> None:
    x = torch.ones(8, 3)
    tw.fit(torch.nn.Linear(3, 1), (x, x[:, :1]), (x, x[:, :1]), loss="mse", batch_size=4, max_steps=2)


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("kind", ["none", "closed", "bare", "broken"])
def test_a_program_without_a_whole_standard_output_trains(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    stream = {"none": None, "closed": closed(), "bare": Bare(), "broken": Bare(broken=True)}[kind]
    monkeypatch.setattr(sys, "stdout", stream)
    train()
    if kind == "bare":
        assert "at most 2 steps" in stream.text and "stopped at step 2" in stream.text


def test_a_terminal_elsewhere_is_sent_one_piece_for_each_logged_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of rank 0 on Ray: nothing goes out with a step."""
    stream = Bare()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TRAINWRIGHT_TERMINAL", "1")
    x = torch.ones(64, 3)
    result = tw.fit(torch.nn.Linear(3, 1), (x, x[:, :1]), (x, x[:, :1]), loss="mse", batch_size=4, max_steps=32, log_every="4 steps")
    assert len(result.history) > 4
    assert stream.text.count("steps/s") == len(result.history)
    assert f"stopped at step {result.steps}" in stream.text
