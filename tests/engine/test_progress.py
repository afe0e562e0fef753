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
