"""Models that return their own loss train unchanged: real ones of transformers, and one of our own."""

from __future__ import annotations

import copy
import functools
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.adapters.returning_loss import IGNORED, ReturningLossSystem, returns_loss
from trainwright.config.errors import ConfigError, DataError, TrainwrightError
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


class Tagger(nn.Module):
    """A class per token, and a loss that takes no label of -100."""

    def __init__(self, loss: str) -> None:
        super().__init__()
        self.table, self.loss = nn.Embedding(30, 5), loss

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.table(input_ids)
        if self.loss == "one hot":
            return {"loss": -(logits.log_softmax(-1) * functional.one_hot(labels, 5)).sum(-1).mean(), "logits": logits}
        return {"loss": functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=int(self.loss)), "logits": logits}


@pytest.mark.parametrize(("loss", "most", "items"), [("-1", 5, 40), ("0", 5, 48), ("one hot", 5, 48), ("-1", 1, 40), ("one hot", 1, 48)])
def test_a_loss_that_does_not_know_the_label_of_transformers_is_not_refused(loss: str, most: int, items: int) -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 30, (8, 6))
    labels = tokens % most
    if loss == "-1":
        labels[:, 4] = -1
    counted = ReturningLossSystem(Tagger(loss)).training_step({"input_ids": tokens, "labels": labels}, MOMENT)
    assert int(counted.count) == items


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


# models of small GPT codes: forward(idx, targets) gives (logits, loss)


class SmallGPT(nn.Module):
    """Written as such codes are: targets are given beside what they follow, and -1 does not count."""

    def __init__(self, vocabulary: int = 12, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = self.embedding(idx)
        if targets is None:
            return self.head(x[:, [-1], :]), None
        logits = self.head(x)
        return logits, functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-1)


def next_tokens(rows: int = 12) -> tuple[Tensor, Tensor]:
    """Tokens and those that follow, of which more or fewer count by row."""
    tokens = torch.randint(0, 12, (rows, 7), generator=torch.Generator().manual_seed(1))
    x, y = tokens[:, :-1].clone(), tokens[:, 1:].clone()
    for row in range(rows):
        y[row, 2 + row % 4 :] = -1
    return x, y


@functools.cache
def by_hand() -> dict[str, Tensor]:
    """The weights after one epoch in whole batches of four, in the order of the rows."""
    model, (x, y) = SmallGPT(), next_tokens()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for first in range(0, 12, 4):
        optimizer.zero_grad()
        model(x[first : first + 4], y[first : first + 4])[1].backward()  # type: ignore[union-attr]
        optimizer.step()
    return model.state_dict()


class Pairs(torch.utils.data.Dataset):
    """A dataset as such codes have it: (x, y) by place."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, place: int) -> Any:
        x, y = next_tokens()
        return x[place], y[place]


class Named(Pairs):
    """The same by name."""

    def __getitem__(self, place: int) -> Any:
        return dict(zip(("idx", "targets"), super().__getitem__(place), strict=True))


def columns() -> dict[str, Tensor]:
    return dict(zip(("idx", "targets"), next_tokens(), strict=True))


SHORT = {"max_epochs": 1, "console": False, "trackers": ["csv"], "evaluation": {"report": False}}
LOADERS = {"by place": (Pairs, 4, {}), "in pieces": (Pairs, 2, {"accumulation": 2}), "by name": (Named, 4, {})}


@pytest.mark.parametrize("form", LOADERS)
def test_a_model_that_returns_logits_and_loss_is_trained_by_the_loss(tmp_path: Path, form: str) -> None:
    (kind, size, options), model = LOADERS[form], SmallGPT()
    loader, optimizer = torch.utils.data.DataLoader(kind(), batch_size=size), {"type": "torch.optim.SGD", "lr": 0.5}
    tw.fit(model, loader, optimizer=optimizer, run_dir=tmp_path / "run", **options, **SHORT)
    for name, each in by_hand().items():
        assert torch.allclose(model.state_dict()[name], each, atol=1e-6), name


@pytest.mark.parametrize("options", [{}, {"target": "targets"}])
def test_columns_by_name_are_measured_and_predicted(tmp_path: Path, options: Any) -> None:
    model = SmallGPT()
    result = tw.fit(model, columns(), columns(), batch_size=4, run_dir=tmp_path / "run", **SHORT, **options)
    x, y = next_tokens()
    assert result.metrics["validation"]["loss"] == pytest.approx(float(model(x, y)[1]), rel=1e-5)
    loaded = tw.load(tmp_path / "run", model=SmallGPT())
    assert loaded.predict({"idx": x})["logits"].shape == (12, 1, 12)


def test_pairs_by_place_are_predicted_from_a_tensor_alone(tmp_path: Path) -> None:
    tw.fit(SmallGPT(), next_tokens(), batch_size=4, run_dir=tmp_path / "run", **SHORT)
    assert tw.load(tmp_path / "run", model=SmallGPT()).predict(next_tokens()[0])["logits"].shape == (12, 1, 12)


class Auxiliary(nn.Module):
    """A plain model: outputs, and a term of its own beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.net(x), self.net.weight.pow(2).mean()


class Alone(nn.Module):
    """Returns nothing but its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x) if y is None else functional.cross_entropy(self.net(x), y)


def test_a_scalar_is_a_loss_only_of_a_model_that_was_given_a_target() -> None:
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 0, 1])
    assert not returns_loss(Auxiliary(), {"x": x, "y": y})
    assert returns_loss(Alone(), {"x": x, "y": y}) and not returns_loss(Alone(), {"x": x})
    assert not returns_loss(nn.Linear(2, 1), {"input": x[:1]})


# Hugging Face beside the model


def test_splits_of_a_datasetdict_are_measured_whatever_they_are_called(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {name: each.tolist() for name, each in columns().items()}
    data = datasets.DatasetDict({name: datasets.Dataset.from_dict(rows) for name in ("train", "eval", "test")})
    result = tw.fit(SmallGPT(), data, batch_size=4, run_dir=tmp_path / "run", **SHORT)
    assert set(result.metrics) == {"train", "validation", "test"}


def test_from_pretrained_finds_the_model_of_a_run(tmp_path: Path) -> None:
    transformers, model = pytest.importorskip("transformers"), gpt2()
    tw.fit(model, texts(), batch_size=8, run_dir=tmp_path / "run", **SHORT)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "run/model")
    assert type(again) is type(model) and again.config.n_embd == 16
    assert all(torch.equal(each, again.state_dict()[name]) for name, each in model.state_dict().items())
    assert (tmp_path / "run/model/generation_config.json").is_file()


def test_a_callback_of_transformers_is_refused_with_our_hooks(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    class Ends(transformers.TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **named: Any) -> None: ...

    for given, words in ((Ends(), "on_validation_end(session, system, metrics)"), (transformers.EarlyStoppingCallback(4), "'patience': 4")):
        with pytest.raises(ConfigError) as raised:
            tw.fit(SmallGPT(), columns(), callbacks=[given], run_dir=tmp_path / "run", console=False)
        assert "callback of transformers" in str(raised.value) and words in str(raised.value)
    assert not (tmp_path / "run").exists()
