"""Pruning while training: what is masked is zero after every step, whatever trains it, and a run continues to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, fit, same, system, table, weights
from torch import nn

from trainwright.config.errors import ConfigError, Interrupted
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig

CUBIC = {"type": "pruning", "method": {"type": "global_l1", "amount": 0.75}, "schedule": "cubic", "every": "3 steps"}
HALF = {"type": "pruning", "method": {"type": "l1", "amount": 0.5}}


class Watch(Callback):
    """Notes at every step how many weights are zero, and whether anything that is masked is not."""

    def __init__(self) -> None:
        self.zeros: list[int] = []
        self.leaks = 0

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        kept = session.parts.pruned.kept
        self.zeros.append(sum(int((~mask).sum()) for mask in kept.values()))
        params = dict(system.named_parameters())
        tensors = dict(params) | {f"state {name}": each for name, each in session.optimizer.tensors().items()}
        if session.parts.averages is not None:
            tensors |= {f"average {name}": each for name, each in session.parts.averages.tensors().items()}
        for name, tensor in tensors.items():
            mask = kept.get(name.partition("/")[2] or name)
            if mask is not None and mask.shape == tensor.shape:
                self.leaks += int((tensor.detach()[~mask] != 0).sum())


HOLDS: dict[str, dict[str, Any]] = {
    "weight decay and momentum": {"optimizer": {"type": "sgd", "momentum": 0.9, "weight_decay": 0.1, "learning_rate": 0.1}},
    "adamw with averages": {"ema": {"decay": [0.9, 0.5]}, "swa": {"start": "0.5 run"}},
    "muon, whose updates are dense": {"optimizer": "muon", "ema": 0.9},
    "sam": {"optimizer": {"type": "sam", "inner": {"type": "sgd", "momentum": 0.9}}},
    "schedule-free": {"optimizer": {"type": "schedule_free_adamw", "learning_rate": 0.05}},
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_is_masked_is_zero_after_every_step_in_weights_state_and_averages(name: str, tmp_path: Path) -> None:
    watch = Watch()
    trained, result = fit(tmp_path / "run", callbacks=[watch], **{"named": [CUBIC], "max_epochs": 3, **HOLDS[name]})
    found = {each: value for each, value in weights(trained).items() if each.endswith("weight")}
    total = sum(each.numel() for each in found.values())
    assert watch.leaks == 0
    assert watch.zeros == sorted(watch.zeros) and watch.zeros[-1] == round(0.75 * total) == 42
    assert sum(int((each == 0).sum()) for each in found.values()) == 42, "the model that is kept is sparse too"
    assert result.best_step is not None and result.best_step >= 14, "evaluations before the end of the schedule pick nothing"


RESUMED: dict[str, dict[str, Any]] = {
    "cubic, averages, micro-batches": {"ema": 0.9, "micro_batch_size": 3, "checkpoint": {"min_interval": "0 s"}},
    "at random, half precision": {
        "named": [{**CUBIC, "method": {"type": "random", "amount": 0.6}}],
        "precision": {"type": "fp16", "initial_scale": 64.0},
    },
    "rows, once": {
        "named": [{"type": "pruning", "method": {"type": "ln_structured", "amount": 3}, "names": ["0"], "start": "5 steps"}],
        "early_stopping": {"patience": 9},
    },
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_that_was_stopped_while_it_prunes_ends_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    options = {"named": [CUBIC], **RESUMED[name], "max_epochs": 3}
    whole, _ = fit(tmp_path / "whole", **options)
    for k in (4, 11):
        place = tmp_path / f"stopped-{k}"
        with pytest.raises(Interrupted):
            fit(place, callbacks=[StopAt(k)], **options)
        continued, _ = fit(place, resume=True, **options)
        assert same(weights(whole), weights(continued)), k
        assert table(tmp_path / "whole") == table(place)
        assert (place / "pruning.json").read_text() == (tmp_path / "whole" / "pruning.json").read_text()


def test_micro_batches_change_neither_masks_nor_weights(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", trained=system(dropout=0.0), named=[CUBIC])
    pieces, _ = fit(tmp_path / "pieces", trained=system(dropout=0.0), named=[CUBIC], micro_batch_size=3)
    one, other = weights(whole), weights(pieces)
    assert all(torch.equal(one[name] == 0, other[name] == 0) for name in one if name.endswith("weight"))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_the_masked_model_is_the_model_with_zeroed_weights(tmp_path: Path) -> None:
    """torch's masks and ours compute the same, without a hook or a second tensor."""
    from torch.nn.utils import prune as torch_prune

    trained, _ = fit(tmp_path / "run", named=[HALF], max_epochs=1)
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(4))
    ours = trained.model.eval()
    theirs = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)).eval()
    theirs.load_state_dict(ours.state_dict())
    for place in (0, 3):
        torch_prune.custom_from_mask(theirs[place], "weight", ours[place].weight != 0)
    assert torch.equal(ours(x), theirs(x))
    found = json.loads((tmp_path / "run" / "pruning.json").read_text())
    assert [(each["name"], each["weights"], each["pruned"]) for each in found["layers"]] == [
        ("model.0.weight", 40, 20),
        ("model.3.weight", 16, 8),
    ]
    assert found["sparsity"] == 0.5 and found["left_out"]["model.0.bias"].startswith("it is a vector")


def test_amounts_keep_their_type_through_a_configuration(tmp_path: Path) -> None:
    from trainwright.config.dump import dump
    from trainwright.config.reading import read_yaml

    for amount, zeros in ((1, 1), (1.0, 40)):
        options = {"callbacks": [{"type": "pruning", "method": {"type": "l1", "amount": amount}, "names": ["0"]}], "max_epochs": 1}
        (tmp_path / "c.yaml").write_text(dump(TrainerConfig.model_validate(options)))
        again = read_yaml(tmp_path / "c.yaml").plain()
        assert type(again["callbacks"][0]["method"]["amount"]) is type(amount)
        fit(tmp_path / f"run-{zeros}", named=again["callbacks"], max_epochs=1)
        assert json.loads((tmp_path / f"run-{zeros}" / "pruning.json").read_text())["pruned"] == zeros


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "everything": ({"method": {"type": "l1", "amount": 1.0}}, "prunes everything", "below 1.0"),
    "less than one weight": ({"method": {"type": "global_l1", "amount": 1e-9}}, "prunes nothing", "1 is one weight"),
    "less than one weight by and by": ({**CUBIC, "method": {"type": "l1", "amount": 1e-9}}, "prunes nothing", "1 is one weight"),
    "less than one row": ({"method": {"type": "ln_structured", "amount": 0.001}}, "prunes nothing", "1 is one slice"),
    "all that is excluded": ({"exclude": ["*"]}, "nothing to prune", "exclude less"),
    "a layer that is not there": ({"names": ["encoder"]}, "no weight is called 'encoder'", ""),
    "a dimension that is not there": ({"method": {"type": "ln_structured", "dim": 2}}, "nothing to prune", ""),
    "more than there are": ({"method": {"type": "global_l1", "amount": 57}}, "more than there is", "0.5"),
    "an end after the run": ({**CUBIC, "end": "99 epochs"}, "the run ends before", "train longer"),
    "an end before the start": ({**CUBIC, "start": "0.9 run"}, "ends before it begins", "end later"),
    "two of four by and by": ({"method": "semi_structured", "schedule": "cubic"}, "is pruned at once", "one_shot"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_pruned_is_refused_before_the_first_step(name: str, tmp_path: Path) -> None:
    options, what, fix = REFUSED[name]
    trained = system()
    before = weights(trained)
    with pytest.raises(ConfigError) as caught:
        fit(tmp_path / "run", trained=trained, named=[{"type": "pruning", **options}])
    assert what in caught.value.what and fix in str(caught.value.fix) and "pruning" in str(caught.value.where)
    assert same(before, weights(trained))


def test_a_layer_that_is_named_may_be_all_zero_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"named": [{"type": "pruning", "method": {"type": "l1", "amount": 1.0}, "names": ["model.3"]}], "max_epochs": 1}
    trained, _ = fit(tmp_path / "run", **options)
    assert not bool(trained.model[3].weight.any()) and "nothing of model.3.weight is left" in caplog.text


def test_a_count_without_a_point_is_told_and_so_is_an_end_that_did_not_come(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(tmp_path / "run", named=[{"type": "pruning", "method": {"type": "l1", "amount": 1}}], max_epochs=1)
    assert "amount 1 without a point counts: 1 of 56 weights; 1.0 is all" in caplog.text
    early = {"named": [{**CUBIC, "start": "2 steps", "end": "20 steps"}], "max_epochs": 4}

    class Stop(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 9:
                session.stop("enough")

    fit(tmp_path / "early", callbacks=[Stop()], **early)
    assert "the run ended at step 9, before pruning reached its amount at step 20" in caplog.text


def test_early_stopping_waits_for_the_last_weight_that_is_pruned(tmp_path: Path) -> None:
    options = {"named": [{**CUBIC, "end": "20 steps"}], "early_stopping": {"patience": 1, "min_delta": 99.0}, "max_epochs": 9}
    _, result = fit(tmp_path / "run", evaluate_every="2 steps", **options)
    assert result.steps >= 20 and result.stopped_because == "early_stopping"


def test_a_class_of_ones_own_prunes_and_its_mistakes_name_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from trainwright.nn.pruning.base import ScoredMethod\n\n\n"
        "class FarFromOne(ScoredMethod):\n    def __init__(self, amount=0.5, wrong=False):\n        super().__init__(amount=amount)\n"
        "        self.wrong = wrong\n\n    def scores(self, weight, generator):\n"
        "        if self.wrong:\n            return weight[0]\n        return (weight - 1).abs()\n"
    )
    method = {"type": f"{tmp_path / 'mine.py'}:FarFromOne", "amount": 4}
    fit(tmp_path / "run", named=[{"type": "pruning", "method": method, "names": ["3"]}], max_epochs=1)
    assert json.loads((tmp_path / "run" / "pruning.json").read_text())["pruned"] == 4
    with pytest.raises(ConfigError, match="scores gave of shape"):
        fit(tmp_path / "no", named=[{"type": "pruning", "method": {**method, "wrong": True}}], max_epochs=1)
