"""What samples are told by rows: with the class among them, of known values alone, and of every row."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.config.registry import build, options_class, parts
from trainwright.domains.diffusion.asked import warn_beyond

TRAIN = ["train", "points.csv", "system.type=diffusion", "system.of=[x, y]", "system.condition=[kind, age, place]", "system.steps=3"]
QUICK = ["trainer.max_steps=2", "trainer.batch_size=16", "trainer.sampling=null", "evaluation.report=false", "run.dir=runs/points"]
TOLD: dict[str, Any] = {"age": 40, "place": "inner"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    """Points of a class `kind` that also follow a number and a word, with weights that tell them apart."""
    draw, folder = np.random.default_rng(0), tmp_path_factory.mktemp("told")
    lines = [f"{draw.normal():.4f},{draw.normal():.4f},{k + 20.5},{'abc'[k % 3]},{('inner', 'outer')[k % 2]}" for k in range(60)]
    (folder / "points.csv").write_text("\n".join(["x,y,age,kind,place", *lines]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*TRAIN, *QUICK, "system.model={type: mlp, width: 16, depth: 1}"]) == 0
    found = tw.load(str(folder / "runs/points"))
    torch.manual_seed(0)
    for each in found.model.denoiser.parameters():
        each.data += 0.1 * torch.randn_like(each)  # it began with none that tell conditions apart
    return found


def test_a_row_may_hold_the_class_too(run: tw.Run, tmp_path: Path) -> None:
    by_class = run.sample(2, condition=TOLD, class_="b")
    assert torch.equal(by_class, run.sample(2, condition={**TOLD, "kind": "b"}))
    assert not torch.allclose(by_class, run.sample(2, condition={**TOLD, "kind": "a"}), atol=1e-4)
    assert torch.equal(run.sample(2, condition={"kind": "b"}), run.sample(2, class_="b")), "the class alone"
    (tmp_path / "rows.csv").write_text("x,kind,age,place\n1,b,40,inner\n2,a,30,outer\n")
    made = run.sample(4, condition=str(tmp_path / "rows.csv"))
    assert torch.allclose(made[0], by_class[0], atol=1e-5)
    assert torch.allclose(made[3], run.sample(4, condition={"age": 30, "place": "outer"}, class_="a")[3], atol=1e-5)


REFUSED: list[tuple[Any, str]] = [
    ({**TOLD, "place": "iner"}, "condition: there is no place 'iner'\n.*trained with inner, outer\n.*did you mean 'inner'"),
    ({**TOLD, "kind": "d"}, "there is no kind 'd'\n.*trained with a, b, c"),
    ([TOLD, {**TOLD, "place": "elsewhere"}], r"there is no place 'elsewhere' \(row 2\)"),
    ([TOLD, {**TOLD, "age": None}], "condition: no usable value in column 'age': row 2\n.*sample number k takes row k"),
    ([{**TOLD, "kind": None}, {**TOLD, "kind": "a"}], "no usable value in column 'kind': row 1"),
    ({"age": 40}, "condition: it lacks 'place'\n.*together in training.*\n.*give {age: …, place: …}"),
    ([{"agee": 40, "place": "inner"}], "it lacks 'age'(.|\n)*did you mean 'agee' for 'age'"),
    ({"age": "old", "place": "inner"}, "condition: column 'age' holds text that is not a number"),
    ("none.csv", "condition: no file 'none.csv'"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_a_condition_that_would_make_something_else_is_refused(run: tw.Run, given: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        run.sample(2, condition=given)


def test_the_class_is_said_once(run: tw.Run) -> None:
    for more in ({"class_": "a"}, {"labels": ["a"]}):
        with pytest.raises(RequestError, match="the class is said twice"):
            run.sample(2, condition={**TOLD, "kind": "b"}, **more)


def test_more_noise_than_in_training_is_warned_of(run: tw.Run, caplog: pytest.LogCaptureFixture) -> None:
    run.sample(2)
    run.sample(2, sigma_max=500)
    assert not caplog.records
    for more in ({"sigma_max": 1e6}, {"sigmas": [1e6, 1.0, 0.0]}):
        caplog.clear()
        run.sample(2, **more)
        assert "sampling begins at sigma 1e+06, and the model was trained at none above" in caplog.text


@pytest.mark.parametrize("name", [name for name in parts("noise_density") if name != "auto"])
def test_the_usual_levels_are_those_of_training(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Some densities rise with their shares, and others fall."""
    density = build("noise_density", options_class("noise_density", name)(), sigma_data=0.5, size=32)
    warn_beyond(torch.tensor([80.0, 0.0]), SimpleNamespace(density=density, denoiser=None, ends=(0.002, 80.0)))
    assert not caplog.records
