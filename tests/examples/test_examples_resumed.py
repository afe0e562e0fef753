"""Examples that were interrupted and continued end with the weights of those that were not, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from example_files import example
from torch import Tensor

from trainwright.config.errors import Interrupted
from trainwright.engine.callbacks import Callback
from trainwright.files.tensors import load_tensors


class Signal(Callback):
    """Interrupts a run as Ctrl-C does, once it has made so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            session.parts.interrupts.request()


def weights(run: Path) -> dict[str, Tensor]:
    """The weights that a run kept."""
    return load_tensors(run / "model/model.safetensors")


def gan(run: Path, **more: Any) -> None:
    example("gan").main(str(run), steps=60, **more)


def lstm(run: Path, **more: Any) -> None:
    example("lstm").main(str(run), epochs=2, **more)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Sums are shared between two threads, as they are on the machines that train; elsewhere in the tests one thread makes them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("trained", "step"), [(gan, 41), (lstm, 29)])
def test_a_run_that_was_interrupted_ends_with_the_same_weights(trained: Callable[..., None], step: int, tmp_path: Path) -> None:
    trained(tmp_path / "whole")
    with pytest.raises(Interrupted):
        trained(tmp_path / "parted", callbacks=[Signal(step)])
    assert not (tmp_path / "parted/model").exists()
    trained(tmp_path / "parted", resume=True)
    whole, parted = weights(tmp_path / "whole"), weights(tmp_path / "parted")
    assert whole.keys() == parted.keys()
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
