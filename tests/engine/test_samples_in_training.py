"""Samples while a system trains: from noise of their own, at an interval, and without a trace in the run that makes them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sampled_run
import torch
from engine_runs import StopAt, same, table, weights
from PIL import Image
from safetensors.torch import load_file
from sampled_run import OPTIONS, Painter, fit, rows
from torch import Tensor

import trainwright as tw
from fork_server import fork_server
from trainwright.config.errors import ConfigError, Interrupted
from trainwright.engine.config import TrainerConfig
from trainwright.engine.sampling import draw_samples
from trainwright.engine.trainer import Trainer

pytestmark = pytest.mark.slow


def samples(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "media" / "samples").rglob("*")) if path.is_file()}


@pytest.mark.parametrize("every", ["4 steps", "1 epoch", "0.3 run"])
def test_a_run_that_samples_is_the_run_that_does_not(tmp_path: Path, every: str) -> None:
    plain = fit(tmp_path / "plain")
    sampled = fit(tmp_path / "sampled", sampling={"every": every, "n": 5})
    assert same(weights(plain), weights(sampled)) and table(tmp_path / "plain") == table(tmp_path / "sampled")
    assert not (tmp_path / "plain" / "media").exists() and len(samples(tmp_path / "sampled")) >= 3
    assert set(sampled.seen) == {(False, False)}  # type: ignore[arg-type]


def test_samples_come_at_their_interval_and_are_pictures_in_a_grid(tmp_path: Path) -> None:
    fit(tmp_path, sampling={"every": "5 steps", "n": 5})
    assert list(samples(tmp_path)) == [f"step-{step:08d}.png" for step in (5, 10, 15, 20)]
    picture = np.asarray(Image.open(tmp_path / "media" / "samples" / "step-00000005.png"))
    assert picture.shape == (2 * 64 + 2, 3 * 64 + 4)  # three columns of two rows, 4 × 4 pixels enlarged to 64 × 64


def test_a_continued_run_makes_the_same_samples(tmp_path: Path) -> None:
    fit(tmp_path / "whole", sampling="3 steps")
    with pytest.raises(Interrupted):
        fit(tmp_path / "stopped", sampling="3 steps", callbacks=[StopAt(10)])
    made = samples(tmp_path / "stopped")
    assert len(made) == 3
    fit(tmp_path / "stopped", sampling="3 steps", resume=True)
    assert samples(tmp_path / "stopped") == samples(tmp_path / "whole") and made.items() <= samples(tmp_path / "whole").items()
    assert table(tmp_path / "stopped") == table(tmp_path / "whole")


@pytest.mark.parametrize("step", [3, 12])
def test_a_run_that_is_killed_while_it_samples_goes_on_and_makes_the_same(tmp_path: Path, step: int) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder, at, code in ((whole, 0, 0), (killed, step, -9), (killed, 0, 0)):
        process = fork_server().Process(target=sampled_run.process, args=(str(folder), at))
        process.start()
        process.join()
        assert process.exitcode == code
    assert samples(killed) == samples(whole) and len(samples(whole)) == 8
    assert table(killed) == table(whole)
    last = [load_file(folder / "checkpoints" / "last" / "system.safetensors") for folder in (whole, killed)]
    assert same(*last)


def test_samples_are_of_the_averaged_weights_where_there_are_some(tmp_path: Path) -> None:

    class Telling(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            self.was = self.net[0].weight.detach().clone()
            return super().sample(n, generator)

    kept = {}
    for ema in (0.9, None):
        system = fit(tmp_path / str(ema), Telling(), sampling="24 steps", ema=ema, held=0)
        kept[ema] = system.was  # type: ignore[union-attr]
        kept[f"kept {ema}"] = system.net[0].weight.detach().clone()  # type: ignore[union-attr,operator,index]
    assert not torch.equal(kept[0.9], kept[None])
    assert torch.equal(kept[0.9], kept["kept 0.9"]), "without a validation split the average after the last step is what is kept"


def test_the_noise_is_new_each_time_unless_it_is_to_be_the_same() -> None:
    system = Painter()
    first, again, other = (draw_samples(system, 4, seed=0, step=step, device=torch.device("cpu")) for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, draw_samples(system, 4, seed=1, step=1, device=torch.device("cpu")))


def test_same_noise_is_the_same_at_every_step(tmp_path: Path) -> None:
    class Noise(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            return torch.rand(n, 1, 8, 8, generator=generator)

    fit(tmp_path / "same", Noise(), sampling={"every": "5 steps", "same_noise": True})
    fit(tmp_path / "new", Noise(), sampling={"every": "5 steps"})
    assert len(set(samples(tmp_path / "same").values())) == 1 and len(set(samples(tmp_path / "new").values())) == 4


def test_drawing_leaves_generators_modes_buffers_and_weights_as_they_were() -> None:
    class Careless(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            self.net.train()
            return self.net(torch.randn(n, 3)).reshape(n, 1, 4, 4)  # of the default generator, and the norm moves

    system = Careless()
    system.net[3].eval()
    before, state, modes = weights(system), torch.get_rng_state(), [each.training for each in system.modules()]
    np_state = np.random.get_state()[1].tolist()  # type: ignore[union-attr,index]
    first = draw_samples(system, 4, seed=0, step=1, device=torch.device("cpu"))
    assert same(weights(system), before) and torch.equal(torch.get_rng_state(), state)
    assert [each.training for each in system.modules()] == modes
    assert np.random.get_state()[1].tolist() == np_state  # type: ignore[union-attr,index]
    assert torch.equal(first, draw_samples(system, 4, seed=0, step=1, device=torch.device("cpu")))


@pytest.mark.parametrize("given", ["raises", "an object", "NaN"])
def test_samples_that_fail_are_told_and_the_run_goes_on(tmp_path: Path, given: str, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Any:
            if given == "raises":
                raise ValueError("no idea what to paint")
            return object() if given == "an object" else torch.full((n, 1, 4, 4), torch.nan)

    plain = fit(tmp_path / "plain", Painter())
    with caplog.at_level(logging.WARNING):
        failed = fit(tmp_path / "failed", Failing(), sampling="10 steps")
    told = {"raises": "no idea what to paint", "an object": "sample gave 'object', which cannot be saved", "NaN": "sample has 256 NaN"}
    said = told[given]
    assert [f"no samples of step {step}, and the run goes on: {said}" in caplog.text for step in (10, 20)] == [True, True]
    assert same(weights(plain), weights(failed)) and table(tmp_path / "plain") == table(tmp_path / "failed")


def test_values_outside_the_range_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Bright(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            return 3 * super().sample(n, generator)

    with caplog.at_level(logging.WARNING):
        fit(tmp_path, Bright(), sampling="3 steps")
    assert caplog.text.count("lie outside data_range 0 to 1") == 1 and len(samples(tmp_path)) == 8


def test_a_system_that_makes_none_is_refused_with_the_method_to_write(tmp_path: Path) -> None:
    class Silent(Painter):
        sample = tw.System.sample  # type: ignore[assignment]

    with pytest.raises(ConfigError, match=r"trainer.sampling: Silent makes no samples\n  fix: write def sample\(self, n, gen"):
        fit(tmp_path, Silent(), sampling="5 steps")

    class Odd(Painter):
        def sample(self, n: int) -> Tensor:  # type: ignore[override]
            return torch.zeros(n)

    with pytest.raises(ConfigError, match=r"sample of Odd cannot be called with \(n, generator\)"):
        fit(tmp_path, Odd(), sampling="5 steps")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("wrong", "said"), [({"n": 0}, "n"), ({"n": -3}, "n"), ({"every": "0 steps"}, "every"), ("often", "every")])
def test_numbers_that_can_be_none_are_refused(wrong: Any, said: str) -> None:
    with pytest.raises(Exception, match=said):
        TrainerConfig.model_validate(OPTIONS | {"sampling": wrong})


def test_an_interval_that_never_comes_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = TrainerConfig.model_validate(OPTIONS | {"sampling": "500 steps"})
    with caplog.at_level(logging.WARNING):
        Trainer(config, seed=3, device="cpu", console=True).fit(Painter(), rows(43), run=tmp_path)
    assert "trainer.sampling.every is 500 steps, and the run ends after 24 steps: no samples are made" in caplog.text
