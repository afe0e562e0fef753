"""One loss, many names: those of torch, keras, Ludwig and of before, each understood everywhere and said once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from trainwright.cli.main import main
from trainwright.config.registry import options_class
from trainwright.losses import ALIASES, PARTS, find_name, names
from trainwright.losses.build import criterion
from trainwright.losses.choosing import choose_loss
from trainwright.systems.plain_options import PlainOptions

X, Y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, -100, 0, 2])
OTHERS_SAY = {
    "mean_squared_error": "mse",
    "MeanAbsoluteError": "l1",
    "mae": "l1",
    "sparse_categorical_crossentropy": "cross_entropy",
    "BinaryCrossentropy": "bce_with_logits",
    "softmax_cross_entropy": "cross_entropy",
    "binary_weighted_cross_entropy": "bce_with_logits",
    "sigmoid_cross_entropy": "bce_with_logits",
    "cross-entropy": "cross_entropy",
    "CrossEntropy": "cross_entropy",
    "huber_loss": "huber",
    "nn.HuberLoss": "huber",
    "torch.nn.modules.loss:HuberLoss": "huber",
    "torch.nn.functional:huber_loss": "huber",
    "F.binary_cross_entropy": "bce",
    "binary_cross_entropy": "bce_with_logits",
    "torch.nn.Linear": "torch.nn.Linear",
    "own.huber": "own.huber",
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is said where nothing was said before."""
    monkeypatch.setattr(names, "_told", set())
    logging.getLogger("trainwright").propagate = True
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.mark.parametrize("name", OTHERS_SAY)
def test_a_name_of_another_library_means_a_registered_loss(name: str) -> None:
    assert find_name(name) == OTHERS_SAY[name]


def test_every_alias_is_of_a_registered_loss_and_hides_none() -> None:
    assert set(ALIASES.values()) <= set(PARTS)
    assert not set(ALIASES) & set(PARTS)
    assert all(find_name(name) == name for name in PARTS)


def test_an_alias_is_said_once_for_a_column_and_a_model_and_the_standard_name_is_written(said: pytest.LogCaptureFixture) -> None:
    column: Any = options_class("feature", "number").model_validate({"type": "number", "loss": "mae"})
    model = PlainOptions.model_validate({"model": "torch.nn.Identity", "loss": {"type": "mae"}})
    assert criterion("mae").name == column.loss.type == model.loss.type == "l1"
    assert column.model_dump()["loss"]["type"] == model.model_dump()["loss"]["type"] == "l1"
    assert [each.getMessage() for each in said.records] == ["the loss 'mae' is called l1 here: absolute error"]


@pytest.mark.parametrize("name", ["l1", "torch.nn.L1Loss", "L1Loss", "l1_loss", "torch.nn.functional.l1_loss", "cross-entropy"])
def test_a_name_that_no_library_spells_differently_needs_no_word(name: str, said: pytest.LogCaptureFixture) -> None:
    choose_loss(name)
    assert not said.records


def test_validate_says_the_alias_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n2,3\n")
    (tmp_path / "c.yaml").write_text("data: {source: t.csv}\ntargets: [b]\ncolumns: {b: {type: number, loss: mean_squared_error}}\n")
    assert main(["validate", "c.yaml"]) == 0
    assert [each.getMessage() for each in said.records] == ["the loss 'mean_squared_error' is called mse here: squared error"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.yaml", "t.csv"]


@pytest.mark.parametrize(
    "extra", [{}, {"options": {}}, {"options": {"label_smoothing": 0.1}}, {"label_smoothing": 0.1, "reduction": "none"}]
)
def test_a_function_of_torch_is_its_loss_with_torchs_defaults(extra: dict[str, Any]) -> None:
    smoothing = {**extra, **extra.get("options", {})}.get("label_smoothing", 0.0)
    made = criterion({"type": "torch.nn.functional.cross_entropy", **extra})
    torch.testing.assert_close(made(X, Y), functional.cross_entropy(X, Y, label_smoothing=smoothing))


@pytest.mark.parametrize("name", names.FUNCTIONS)
def test_the_function_itself_is_the_loss_of_its_name(name: str) -> None:
    assert criterion(getattr(functional, name)).name == names.FUNCTIONS[name]


@pytest.mark.parametrize(
    ("kind", "saved", "standard"),
    [
        ("number", {"type": "mae"}, {"type": "l1"}),
        (
            "number",
            {"type": "torch.nn.SmoothL1Loss", "size_average": None, "reduce": None, "reduction": "mean", "beta": 0.5},
            {"beta": 0.5},
        ),
        ("number", {"type": "torch.nn.MSELoss", "size_average": None, "reduce": None, "reduction": "none"}, {"type": "mse"}),
        ("set", {"type": "sigmoid_cross_entropy", "label_smoothing": 0.1}, {"type": "bce_with_logits", "label_smoothing": 0.1}),
        (
            "category",
            {
                "type": "torch.nn.functional.cross_entropy",
                "weight": None,
                "ignore_index": -100,
                "label_smoothing": 0.2,
                "reduction": "mean",
            },
            {"type": "cross_entropy", "label_smoothing": 0.2},
        ),
    ],
)
def test_what_runs_of_before_have_saved_is_read_as_the_registered_loss(kind: str, saved: dict[str, Any], standard: dict[str, Any]) -> None:
    made: Any = options_class("feature", kind).model_validate({"type": kind, "loss": saved})
    written = made.model_dump()["loss"]
    assert standard.items() <= written.items()
    again: Any = options_class("feature", kind).model_validate({"type": kind, "loss": written})
    assert again.model_dump()["loss"] == written


@pytest.mark.parametrize(
    ("written", "option"),
    [
        ({"type": "cross_entropy", "class_weights": [1.0, 2.0, 3.0]}, {"class_weight": [1.0, 2.0, 3.0]}),
        ({"type": "cross_entropy", "class_weights": "auto"}, {"class_weight": "balanced"}),
        ({"type": "cross_entropy", "smoothing": 0.1}, {"label_smoothing": 0.1}),
        ({"type": "label_smoothing_cross_entropy", "label_smoothing": 0.2}, {"smoothing": 0.2}),
        ({"type": "bce_with_logits", "weight": [1.0, 2.0], "smoothing": 0.1}, {"class_weight": [1.0, 2.0], "label_smoothing": 0.1}),
    ],
)
def test_options_go_by_the_names_of_other_libraries_too(written: dict[str, Any], option: dict[str, Any]) -> None:
    assert option.items() <= choose_loss(written).model_dump().items()


def test_the_kind_of_before_is_listed_with_its_new_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "criterion"]) == 0
    told = capsys.readouterr()
    assert "is now called 'loss'" in told.err and "absolute error; also mae" in told.out


def test_a_loss_by_the_path_of_before_is_had_with_a_warning() -> None:
    from trainwright.losses.rows import RowLoss
    from trainwright.nn.losses import base

    with pytest.warns(DeprecationWarning, match="is now trainwright.losses.rows.RowLoss"):
        assert base.RowLoss is RowLoss


def test_the_page_has_a_row_for_every_loss_with_its_other_names_and_columns() -> None:
    lines = (Path(__file__).parents[2] / "docs/losses.md").read_text().splitlines()
    rows = {each.split("|")[1].strip(" `"): each.replace("\\|", "").split("|") for each in lines if each.count(" | ") >= 6}
    for name, part in PARTS.items():
        also = {each.strip("` ") for each in rows[name][2].split(",")} - {""}
        assert also == {word for word, standard in ALIASES.items() if standard == name}, name
        assert tuple(each.strip() for each in rows[name][6].split(",") if each.strip()) == part.kinds, name
