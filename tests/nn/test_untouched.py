"""Whatever is done with a model inside `untouched`, it is afterwards what it was, and what changed can be told."""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.nn.untouched import untouched


class Memory:
    """A person's own object behind an attribute."""

    def __init__(self) -> None:
        self.count, self.seen, self.inner = 0, [0], {"deep": [1]}


class Busy(nn.Module):
    """Changes everything there is to change in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.register_buffer("gone", torch.zeros(2), persistent=False)
        self.register_buffer("later", None, persistent=False)
        self.count, self.history, self.table, self.recent = 0, [], {"a": 1}, deque(maxlen=2)
        self.names, self.tally, self.numbers = {"x"}, Counter(x=1), np.zeros(3)
        self.plain, self.memory, self.hidden = torch.zeros(2), Memory(), [nn.Linear(2, 2)]
        self.own, self.draws, self.chance = random.Random(1), torch.Generator(), np.random.default_rng(2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.linear.weight.data.clamp_(0, 0.1)
            self.hidden[0].weight.zero_()
            self.gone += 1
        self.later, self.plain, self.new = torch.ones(1), self.plain + 1, "new"
        self.count += 1
        self.history.append(self.count)
        self.table["a"] += 1
        self.recent.append(self.count)
        self.names.add(str(self.count))
        self.tally["x"] += 1
        self.numbers += 1
        self.memory.count += 1
        self.memory.seen.append(1)
        self.memory.inner["deep"].append(self.count)
        self.own.random(), self.chance.random(), torch.rand(1, generator=self.draws)
        torch.rand(1), random.random(), np.random.rand()
        return self.norm(self.linear(x))


def picture(model: Busy) -> list[Any]:
    state = [*model.state_dict().values(), model.gone, model.plain, model.hidden[0].weight, torch.from_numpy(model.numbers.copy())]
    plain = [model.count, model.history, model.table, list(model.recent), model.names, dict(model.tally), vars(model.memory), model.later]
    chance = [model.own.getstate(), model.chance.bit_generator.state, model.draws.get_state().tolist()]
    world = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[index, union-attr]
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    grads = [None if each.grad is None else each.grad.tolist() for each in model.parameters()]
    return [[each.tolist() for each in state], repr([plain, chance]), repr(world), modes, hooks, grads, sorted(vars(model))]


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_is_left_as_it_was_found(fails: bool) -> None:
    torch.manual_seed(0)
    model = Busy()
    before = picture(model)
    try:
        with untouched(model):
            model(torch.randn(4, 3)).sum().backward()
            model.eval()
            model.linear.register_forward_hook(lambda *_: None)
            model.register_buffer("another", torch.ones(1))
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert picture(model) == before


def test_what_changed_is_told_by_path_without_tensors() -> None:
    model = nn.Sequential(Busy())
    with untouched(model) as held:
        model(torch.randn(4, 3))
        found = held.list_changed()
    assert {"0.count", "0.history", "0.table", "0.recent", "0.names", "0.memory.count", "0.memory.seen", "0.memory.inner.deep"} <= set(
        found
    )
    assert not {"0.plain", "0.gone", "0.later", "0.linear.weight"} & set(found)


@pytest.mark.parametrize(
    "held, step",
    [
        (random.Random(0), lambda it: it.random()),
        (np.random.default_rng(0), lambda it: it.random()),
        (np.random.RandomState(0), lambda it: it.rand()),
        (torch.Generator(), lambda it: torch.rand(1, generator=it)),
        (iter(range(9)), next),
        (itertools.count(), next),
        (itertools.cycle([1, 2]), next),
        ((number for number in range(9)), next),
        ({"mean": torch.zeros(2)}, lambda it: it["mean"].add_(1)),
        ({"mean": torch.zeros(2)}, lambda it: it.update(mean=it["mean"] + 1)),
        ([torch.zeros(2)], lambda it: it[0].mul_(0.5)),
    ],
)
def test_generators_iterators_and_tensors_within_containers_are_told_where_they_moved(held: Any, step: Any) -> None:
    model = nn.Linear(2, 2)
    model.held = held
    with untouched(model) as before:
        step(model.held)
        assert [path.partition(".")[0] for path in before.list_changed()] == ["held"]
    if not isinstance(held, itertools.cycle):  # which does not tell where it is
        with untouched(model) as before:
            assert before.list_changed() == []


def test_weights_and_what_a_step_computed_are_not_told_where_a_list_holds_them() -> None:
    model = nn.Linear(2, 2)
    model.listed, model.cache = [model.weight], {"out": torch.zeros(1)}
    with untouched(model) as before, torch.no_grad():
        model.weight.add_(1)
        with torch.enable_grad():
            model.cache["out"] = model(torch.ones(1, 2))
        assert before.list_changed() == []


def test_a_model_that_changes_nothing_is_said_to_change_nothing() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3))
    with untouched(model) as held:
        model(torch.randn(4, 3))
        assert held.list_changed() == []


def test_inspecting_a_model_leaves_its_attributes_alone() -> None:
    model, x = Busy(), torch.randn(4, 3)
    before = picture(model)
    tw.inspect(model, x)
    after = picture(model)
    del before[2], after[2]  # the checks of types that tests make draw numbers themselves
    assert after == before
