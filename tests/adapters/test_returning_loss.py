"""Models that return their own loss train unchanged: real ones of transformers, and one of our own."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.adapters.returning_loss import IGNORED, ReturningLossSystem, returns_loss
from trainwright.config.errors import DataError, TrainwrightError
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.result import FitResult
from trainwright.engine.system import StepContext
from trainwright.engine.trainer import Trainer

MOMENT = StepContext(0, 0, 0.0, torch.Generator())


def bert(labels: int = 3) -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16,
        num_labels=labels, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def gpt2() -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_positions=16, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    return transformers.GPT2LMHeadModel(config)


def sentences(n: int = 16, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(1, 40, (n, 8), generator=generator)
    return {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": (words[:, 0] > 20).long()}


def texts(n: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """Tokens, with labels of another number in each row."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 30, (n, 9), generator=generator)
    labels = tokens.clone()
    for row in range(n):
        labels[row, 3 + row % 6 :] = IGNORED
    return {"input_ids": tokens, "labels": labels}


def fit(folder: Path, model: nn.Module, train: dict[str, Tensor], *, resume: bool = False, **options: Any) -> FitResult:
    given = {"batch_size": 8, "max_steps": 6, "log_every": "1 steps", "trackers": ["csv"], "early_stopping": None, "sanity_check": 0}
    optimizer = {"type": "torch.optim.SGD", "lr": 0.1}
    config = TrainerConfig.model_validate(given | {"optimizer": optimizer} | options)
    return Trainer(config, seed=1, device="cpu", console=False).fit(
        ReturningLossSystem(model), TensorRows(train), run=folder, resume=resume
    )


class Regression(nn.Module):
    """Takes columns by name, returns a plain mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> dict[str, Tensor]:
        output = self.layer(x).squeeze(-1)
        return {"output": output} if y is None else {"loss": functional.mse_loss(output, y), "output": output}


class Tupled(Regression):
    """Returns (loss, logits), as models did before they had names."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        output = self.layer(x).squeeze(-1)
        return (output,) if y is None else (functional.mse_loss(output, y), output)


def test_a_classifier_of_transformers_trains_as_a_loop_written_by_hand(tmp_path: Path) -> None:
    rows, model = sentences(8), bert()
    by_hand = copy.deepcopy(model)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    for _ in range(6):  # each step sees all rows: their order does not matter but for rounding
        by_hand(**rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    fit(tmp_path, model, rows)
    for mine, theirs in zip(model.state_dict().values(), by_hand.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-6)


def test_evaluation_gives_loss_and_accuracy_of_the_whole_split() -> None:
    rows, model = sentences(11), bert().eval()
    system = ReturningLossSystem(model)
    with torch.no_grad():
        outputs = [
            system.evaluation_step({name: each[place] for name, each in rows.items()}, MOMENT) for place in (slice(0, 8), slice(8, 11))
        ]
        found = system.metrics({name: torch.cat([each[name] for each in outputs]) for name in outputs[0]})
        whole = model(**rows)
    assert found["loss"] == pytest.approx(float(whole.loss), rel=1e-5)
    assert found["accuracy"] == pytest.approx(float((whole.logits.argmax(1) == rows["labels"]).float().mean()))
    assert system.higher_is_better("accuracy") and not system.higher_is_better("loss")


@pytest.mark.parametrize("micro_batch_size", [1, 3])
def test_pieces_of_a_step_with_labels_of_many_lengths_give_the_update_of_the_whole(tmp_path: Path, micro_batch_size: int) -> None:
    whole, pieces = gpt2(), gpt2()
    fit(tmp_path / "whole", whole, texts(8))
    fit(tmp_path / "pieces", pieces, texts(8), micro_batch_size=micro_batch_size)
    for one, other in zip(whole.state_dict().values(), pieces.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=2e-5, atol=2e-6)


def test_the_items_of_a_causal_model_are_the_tokens_that_are_predicted() -> None:
    rows, model = texts(6), gpt2()
    system = ReturningLossSystem(model)
    loss = system.training_step(rows, MOMENT)
    assert int(loss.count) == int((rows["labels"][:, 1:] != IGNORED).sum())
    assert float(loss.total.detach() / loss.count) == pytest.approx(float(model(**rows).loss.detach()), rel=1e-6)


def test_the_items_of_a_tagger_are_all_labels_that_count() -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.BertForTokenClassification(bert().config)
    rows = {name: each for name, each in sentences(4).items() if name != "labels"} | {"labels": torch.randint(0, 3, (4, 8))}
    rows["labels"][0, 2:] = IGNORED
    assert int(ReturningLossSystem(model).training_step(rows, MOMENT).count) == 4 * 8 - 6


def test_a_piece_without_a_label_that_counts_adds_nothing() -> None:
    rows, model = texts(2), gpt2()
    rows["labels"][:] = IGNORED
    system = ReturningLossSystem(model)
    loss = system.training_step(rows, MOMENT)
    loss.total.backward()
    assert float(loss.total.detach()) == 0.0 and int(loss.count) == 0
    assert all(bool(torch.isfinite(each.grad).all()) for each in model.parameters() if each.grad is not None)


def test_columns_that_forward_does_not_take_are_left_out_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    system = ReturningLossSystem(bert())
    rows = sentences(2) | {"idx": torch.arange(2)}
    with caplog.at_level(logging.INFO, "trainwright.systems"):
        system.training_step(rows, MOMENT)
        system.training_step(rows, MOMENT)
    assert [record.getMessage() for record in caplog.records] == [
        "columns that BertForSequenceClassification does not take are left out: idx"
    ]


def test_predictions_are_the_logits_and_need_no_labels() -> None:
    rows, model = sentences(3), bert().eval()
    predicted = ReturningLossSystem(model).predict_step({name: each for name, each in rows.items() if name != "labels"})
    assert predicted["logits"].shape == (3, 3)


@pytest.mark.parametrize("kind", [Regression, Tupled])
def test_a_module_of_ones_own_that_returns_a_loss_is_trained(tmp_path: Path, kind: type[nn.Module]) -> None:
    model = kind()
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    rows = {"x": x, "y": x.sum(1)}
    result = fit(tmp_path, model, rows, max_steps=40, batch_size=16)
    assert result.history[-1]["train/loss"] < 0.1 * result.history[0]["train/loss"]
    assert "output" in next(iter(ReturningLossSystem(model).predict_step({"x": x}))) or kind is Tupled


def test_names_of_weights_are_the_models_own(tmp_path: Path) -> None:
    model = Regression()
    system = ReturningLossSystem(model)
    assert list(system.state_dict()) == ["layer.weight", "layer.bias"] == [name for name, _ in system.named_parameters()]


def test_a_run_that_was_cut_continues_to_the_same_bits(tmp_path: Path) -> None:
    whole, cut = gpt2(), gpt2()
    for model in (whole, cut):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.2
    fit(tmp_path / "whole", whole, texts(24), max_steps=12, optimizer="adamw")
    fit(tmp_path / "cut", cut, texts(24), max_steps=6, optimizer="adamw")
    fit(tmp_path / "cut", cut, texts(24), max_steps=12, optimizer="adamw", resume=True)
    assert all(torch.equal(one, other) for one, other in zip(whole.state_dict().values(), cut.state_dict().values(), strict=True))


def test_a_loss_is_looked_for_by_trying() -> None:
    model, regression, layer = bert(), Regression(), nn.Linear(4, 1)
    state = torch.get_rng_state()
    assert returns_loss(model, sentences(2))
    assert not returns_loss(model, {"input_ids": sentences(2)["input_ids"]})
    assert returns_loss(regression, {"x": torch.ones(2, 4), "y": torch.ones(2), "more": torch.ones(2)})
    assert not returns_loss(layer, {"input": torch.ones(2, 4)})
    assert not returns_loss(layer, (torch.ones(2, 4), torch.ones(2)))
    assert torch.equal(state, torch.get_rng_state()) and model.training


def test_a_model_without_labels_is_told_to_be_given_them() -> None:
    rows = sentences(2)
    del rows["labels"]
    with pytest.raises(TrainwrightError) as raised:
        ReturningLossSystem(bert()).training_step(rows, MOMENT)
    assert str(raised.value) == (
        "training_step: BertForSequenceClassification returned no loss\n"
        "  why: it was given input_ids, attention_mask\n"
        "  fix: give the column 'labels'"
    )


def test_a_batch_without_names_is_refused() -> None:
    with pytest.raises(DataError) as raised:
        ReturningLossSystem(Regression()).training_step((torch.ones(2, 4), torch.ones(2)), MOMENT)
    assert "a batch is a tuple" in str(raised.value) and "the model takes columns by name" in str(raised.value)
