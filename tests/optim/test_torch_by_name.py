"""Every class of torch.optim has a name here, its options are torch's, and its updates are torch's."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from optimizer_cases import gradient, optimizer_of, parameters
from pydantic import ValidationError
from torch import nn

from trainwright.config import registry
from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.optim.named_torch import CLASSES, choose_kernels
from trainwright.optim.parameter_groups import ParameterGroup, one_group
from trainwright.optim.torch_optimizer import refuse_capturable

THEIRS = {
    name: each
    for name, each in vars(torch.optim).items()
    if inspect.isclass(each) and issubclass(each, torch.optim.Optimizer) and each is not torch.optim.Optimizer
}
NAMES = {"SparseAdam": "sparse_adam"}
LEFT_OUT = {"params", "lr", "maximize", "differentiable"}
OURS = {"Adam", "AdamW", "SGD", "Muon", "LBFGS"}
"""Classes whose names stand for our own rooms, tested there against torch's."""


@pytest.mark.parametrize("name", THEIRS)
def test_every_class_of_torch_optim_has_a_name(name: str) -> None:
    own = NAMES.get(name, name.lower())
    assert own in registry.parts("optimizer")
    assert name in OURS or CLASSES[own] is THEIRS[name]


@pytest.mark.parametrize("name", [name for name in THEIRS if name not in OURS])
def test_options_and_defaults_are_those_of_the_class(name: str) -> None:
    options = choose("optimizer", NAMES.get(name, name.lower()))
    given = {"lr" if key == "learning_rate" else key: value for key, value in options.model_dump(exclude={"type"}).items()}
    defaults = {key: each.default for key, each in inspect.signature(THEIRS[name]).parameters.items()}
    assert set(given) == set(defaults) - LEFT_OUT | {"lr"}
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()} == {
        key: defaults[key] for key in given
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adadelta", {"rho": 0.8}),
        ("Adafactor", {"weight_decay": 0.1}),
        ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
        ("Adamax", {"betas": [0.8, 0.9], "weight_decay": 0.1}),
        ("ASGD", {"t0": 3.0}),
        ("NAdam", {"momentum_decay": 0.01}),
        ("RAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
        ("RMSprop", {"centered": True, "momentum": 0.9}),
        ("Rprop", {"etas": [0.4, 1.3]}),
    ],
)
def test_updates_are_those_of_the_class_also_by_group(name: str, options: dict[str, Any]) -> None:
    ours, reference = parameters(), parameters()
    decays = "weight_decay" in inspect.signature(THEIRS[name]).parameters
    decay: dict[str, float] = {"weight_decay": 0.3} if decays else {}
    groups = [
        ParameterGroup("slow", ["a", "c"], [ours["a"], ours["c"]], scale=0.1, **decay),
        *one_group((key, ours[key]) for key in ("b", "d")),
    ]
    mine = registry.build(
        "optimizer",
        choose("optimizer", {"type": name, **options} if name in ("adam",) else {"type": name.lower(), **options}),
        groups=groups,
    )
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    kernels = {
        key: mine.optimizer.param_groups[0].get(key) for key in ("foreach", "fused") if key in inspect.signature(THEIRS[name]).parameters
    }
    theirs: Any = THEIRS[name](
        [{"params": [reference["a"], reference["c"]], "lr": 0.05 * 0.1, **decay}, {"params": [reference["b"], reference["d"]]}],
        lr=0.05,
        **given,
        **kernels,
    )
    mine.learning_rate = 0.05
    if name == "Rprop":  # the rate only begins its steps, and there is no other way to give it
        mine.base_learning_rate = 0.05
    for step in range(8):
        for key in ours:
            ours[key].grad = gradient(step, ours[key].shape, ours[key].dtype)
            reference[key].grad = gradient(step, ours[key].shape, ours[key].dtype)
        mine.step()
        theirs.step()
    assert [key for key in ours if not torch.equal(ours[key], reference[key])] == []


def test_sparse_adam_moves_only_the_rows_that_were_seen_as_torchs_does() -> None:
    table, theirs = nn.Embedding(6, 2, sparse=True), nn.Embedding(6, 2, sparse=True)
    theirs.load_state_dict(table.state_dict())
    start = table.weight.detach().clone()
    optimizer, reference = (
        optimizer_of({"type": "sparse_adam", "learning_rate": 0.1}, {"w": table.weight}),
        torch.optim.SparseAdam([theirs.weight], lr=0.1),
    )
    for _ in range(3):
        for each in (table, theirs):
            each.zero_grad()
            each(torch.tensor([1, 4, 4])).square().sum().backward()
        optimizer.step()
        reference.step()
    assert torch.equal(table.weight, theirs.weight)
    assert (table.weight != start).any(dim=1).tolist() == [False, True, False, False, True, False]
    table.weight.grad = torch.ones(6, 2)
    with pytest.raises(TrainwrightError, match="'w' has a dense gradient"):
        optimizer.step()


def test_small_parameters_on_the_cpu_are_updated_many_at_a_time_and_large_ones_alone() -> None:
    small, large = one_group(parameters().items()), one_group([("w", nn.Parameter(torch.empty(1001, 1001)))])
    for name in ("rmsprop", "nadam", "adafactor"):
        assert choose_kernels(choose("optimizer", name), small) == {"foreach": True}
        assert choose_kernels(choose("optimizer", name), large) == {"foreach": False}
        assert choose_kernels(choose("optimizer", {"type": name, "foreach": False}), small) == {}
    assert choose_kernels(choose("optimizer", "radam"), large) == {"foreach": True}
    assert choose_kernels(choose("optimizer", "asgd"), small) == {"foreach": False}
    assert choose_kernels(choose("optimizer", "adagrad"), large) == {"fused": True}
    assert choose_kernels(choose("optimizer", {"type": "adagrad", "fused": False}), small) == {"foreach": True}
    assert choose_kernels(choose("optimizer", "sparse_adam"), small) == {}
    elsewhere = one_group([("w", nn.Parameter(torch.empty(2, device="meta")))])
    assert choose_kernels(choose("optimizer", "rmsprop"), elsewhere) == {}


@pytest.mark.parametrize(("capturable", "place"), [(True, "meta"), (False, "cpu")])
def test_on_resume_the_step_count_is_where_capturable_wants_it_and_all_other_state_beside_its_parameter(
    capturable: bool, place: str
) -> None:
    params = {"w": nn.Parameter(torch.empty(3, 2, device="meta"))}  # stands for a device that is not the CPU
    after = optimizer_of({"type": "rmsprop", "capturable": capturable}, params)
    after.load({"step/w": torch.tensor(4.0), "square_avg/w": torch.ones(3, 2)}, {})
    state = after.optimizer.state[params["w"]]
    assert (state["step"].device.type, state["square_avg"].device.type) == (place, "meta")
    matrix = optimizer_of("adafactor", params)
    matrix.load({"step/w": torch.tensor(4.0), "row_var/w": torch.ones(3, 1), "col_var/w": torch.ones(1, 2)}, {})
    assert matrix.optimizer.state[params["w"]]["row_var"].device.type == "meta"


def test_what_torch_refuses_and_what_is_misspelt_is_said_kindly() -> None:
    with pytest.raises(ConfigError, match="Invalid eta values"):
        optimizer_of({"type": "rprop", "etas": [2.0, 3.0]}, parameters())
    for wrong, meant in {"lookahed": "lookahead", "lion8": "lion", "rms_prop": "rmsprop", "sparseadam": "sparse_adam"}.items():
        with pytest.raises(ValidationError) as refusal:
            choose_in_a_config(wrong)
        assert f"did you mean '{meant}'?" in str(refusal.value.errors()[0]["ctx"]["fix"])


def choose_in_a_config(name: str) -> Any:
    from trainwright.engine.config import TrainerConfig

    return TrainerConfig.model_validate({"optimizer": name})


OF_TORCH = [(name, key) for name, each in THEIRS.items() for key in inspect.signature(each).parameters if key not in ("params", "lr")]


@pytest.mark.parametrize(("name", "key"), OF_TORCH)
def test_every_argument_of_torch_is_an_option_or_refused_with_what_to_do(name: str, key: str) -> None:
    own = NAMES.get(name, name.lower())
    options = type(choose("optimizer", own))
    said = options.of_others.get(key, "")
    assert (key in options.model_fields) != bool(said)
    assert said or "capturable" not in inspect.signature(THEIRS[name]).parameters or "capturable" in options.model_fields


INSIDE = {"type": "muon", "rest": {"type": "adamw", "capturable": True}}


@pytest.mark.parametrize("type_", ["adamw", "adam", "rmsprop", "torch.optim.AdamW", INSIDE])
def test_capturable_is_refused_where_no_graph_can_hold_the_update(type_: Any) -> None:
    made = optimizer_of(type_ if isinstance(type_, dict) else {"type": type_, "capturable": True}, parameters())
    with pytest.raises(ConfigError, match=r"capturable needs a device with graphs\n.*this run is on cpu"):
        refuse_capturable(made, torch.device("cpu"))
    refuse_capturable(made, torch.device("cuda"))


def test_what_torch_can_do_alone_is_refused_by_path_too() -> None:
    for options, words in (
        ({"type": "torch.optim.SGD", "lr": 0.1, "differentiable": True}, "SGD cannot be differentiable here"),
        ({"type": "torch.optim.Adam", "foreach": True, "fused": True}, "Adam refuses its options"),
        ({"type": "torch.optim.LBFGS"}, "use optimizer: lbfgs"),
    ):
        with pytest.raises(ConfigError, match=words):
            optimizer_of(options, parameters())
    assert optimizer_of({"type": "torch.optim.SGD", "lr": 0.1, "maximize": True}, parameters()).optimizer.defaults["maximize"]
