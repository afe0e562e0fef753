"""`tw.fit` trains plain modules on what people have, and says what is wrong before it begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import trainwright as tw
from trainwright.api.unwritten import Unwritten
from trainwright.config.errors import ConfigError, DataError, RequestError, RunError

X = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
VALUES = (X @ torch.tensor([1.0, -2.0, 0.5, 0.0])).unsqueeze(1)


def net(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, outputs))


def fit(model: nn.Module, data: Any, folder: Path, **options: Any) -> Any:
    return tw.fit(model, data, **{"run_dir": folder, "max_epochs": 3, "console": False, "device": "cpu", "trackers": ["csv"]} | options)


class Pairs(Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        return X[index].double().numpy(), int(CLASSES[index])


@pytest.mark.parametrize(
    "data",
    [(X, CLASSES), [X, CLASSES], TensorDataset(X, CLASSES), (X.numpy(), CLASSES.numpy()), (X.double(), CLASSES.int()), Pairs()],
    ids=["tuple", "list", "TensorDataset", "arrays", "doubles", "Dataset"],
)
def test_tensors_arrays_and_datasets_train_to_the_same_weights(data: Any, tmp_path: Path) -> None:
    fit(expected := net(), (X, CLASSES), tmp_path / "expected")
    fit(model := net(), data, tmp_path / "run")
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_the_run_directory_holds_what_a_run_holds(tmp_path: Path) -> None:
    model = net()
    result = fit(model, (X[:80], CLASSES[:80]), tmp_path / "run", validation=(X[80:100], CLASSES[80:100]), test=(X[100:], CLASSES[100:]))
    found = {path.name for path in (tmp_path / "run").iterdir()}
    assert {
        "run.json",
        "config.yaml",
        "command.txt",
        "environment.json",
        "code.json",
        "metrics.csv",
        "results.json",
        "log.txt",
        "checkpoints",
        "model",
    } <= found
    saved = load_file(tmp_path / "run/model/model.safetensors")
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["metrics"]["test"]["target"]["accuracy"] == result.metrics["test"]["accuracy"]
    assert results["realised"]["steps"] == result.steps == 6
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "finished"


def test_it_learns_classes_values_and_several_inputs(tmp_path: Path) -> None:
    more = {"max_epochs": 60, "learning_rate": 0.02}
    held_out = {"validation": (X[90:], CLASSES[90:])}
    assert fit(net(), (X[:90], CLASSES[:90]), tmp_path / "classes", **held_out, **more).metrics["validation"]["accuracy"] > 0.85
    values = fit(net(1), (X, VALUES), tmp_path / "values", loss="mse", metrics=["r2"], **more)
    assert values.metrics["train"]["r2"] > 0.95

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            return self.body(torch.cat([first, second], dim=1))

    two = fit(Two(), (X[:, :2], X[:, 2:], CLASSES), tmp_path / "two", **more)
    assert two.metrics["train"]["accuracy"] > 0.85
    binary = fit(net(1), (X, (CLASSES > 0).float().unsqueeze(1)), tmp_path / "binary", loss="binary_cross_entropy", **more)
    assert binary.metrics["train"]["accuracy"] > 0.85


def test_a_loss_of_ones_own_may_give_a_mean_or_a_value_per_row(tmp_path: Path) -> None:
    mean = fit(net(), (X, CLASSES), tmp_path / "mean", loss=nn.CrossEntropyLoss())
    rows = fit(net(), (X, CLASSES), tmp_path / "rows", loss=nn.CrossEntropyLoss(reduction="none"))
    named = fit(net(), (X, CLASSES), tmp_path / "named")
    assert mean.metrics["train"]["loss"] == pytest.approx(named.metrics["train"]["loss"], rel=1e-5)
    assert rows.metrics["train"]["loss"] == pytest.approx(named.metrics["train"]["loss"], rel=1e-5)


def test_metrics_may_be_functions_and_monitored(tmp_path: Path) -> None:
    share = {"share_of_zero": lambda output, target: (output.argmax(1) == 0).float().mean()}
    result = fit(
        net(), (X[:90], CLASSES[:90]), tmp_path, validation=(X[90:], CLASSES[90:]), metrics=share, monitor="share_of_zero", mode="max"
    )
    assert result.best["metric"] == "share_of_zero"
    assert 0 <= result.best_value <= 1


def test_a_finished_run_continued_with_more_epochs_is_the_longer_run(tmp_path: Path) -> None:
    fit(whole := net(), (X, CLASSES), tmp_path / "whole", max_epochs=5)
    fit(net(), (X, CLASSES), tmp_path / "run", max_epochs=2)
    fit(model := net(), (X, CLASSES), tmp_path / "run", max_epochs=5, resume=True)
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_continued_run_takes_its_first_weights_from_its_directory_and_not_from_the_model(tmp_path: Path) -> None:
    fit(whole := net(), (X, CLASSES), tmp_path / "whole")

    class Fails(tw_callback()):  # type: ignore[misc]
        def on_train_batch_start(self, *_: Any) -> None:
            raise KeyError("before any step was made")

    with pytest.raises(KeyError):
        fit(net(), (X, CLASSES), tmp_path / "run", callbacks=[Fails()])
    torch.manual_seed(99)
    other = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    fit(other, (X, CLASSES), tmp_path / "run", resume=True)
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in other.state_dict().items())


def tw_callback() -> Any:
    from trainwright.engine.callbacks import Callback

    return Callback


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": (X[:, :3], CLASSES)}, "the model does not take these rows"),
        ({"data": (X, CLASSES[:50])}, "target has 50"),
        ({"data": (X, CLASSES + 5)}, "the loss does not take this output and target"),
        ({"data": (X[:0], CLASSES[:0])}, "there are no train rows"),
        ({"data": X}, "train data cannot be a Tensor"),
        ({"data": [1, 2, 3]}, "not a pair"),
        ({"data": (X, VALUES.squeeze(1)), "loss": "mse", "model": net(1)}, r"the model gives \(2, 1\) for a target of \(2,\)"),
        ({"validation": (X[:, :2], CLASSES)}, "the model does not take these rows"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_written(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    options = dict(options)
    data, model = options.pop("data", (X, CLASSES)), options.pop("model", net())
    with pytest.raises(DataError, match=message) as error:
        fit(model, data, tmp_path / "run", **options)
    assert error.value.exit_code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "crosentropy"}, "did you mean 'cross_entropy'"),
        ({"metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"metrics": ["acc"]}, "did you mean 'accuracy'.* available: .*log_loss"),
        ({"lr": 0.1}, "unknown option 'lr'\n.*did you mean 'learning_rate'"),
        ({"epochs": 1, "clipp": 1.0}, "(?s)did you mean 'max_epochs'.*did you mean 'clip'"),
        ({"monitor": "acuracy", "validation": (X, CLASSES)}, "did you mean 'accuracy'"),
        ({"optimizer": "adamm"}, "adam"),
        ({"max_steps": 5}, "max_epochs"),
        ({"evaluate_every": "1 epochz"}, "epoch"),
        ({"batch_size": -1}, "batch_size"),
        ({"patience": 3}, "patience"),
        ({"schedule": "plateau"}, "nothing to watch"),
        ({"schedule": {"type": "cosine", "warmup": "100 epochs"}}, "longer than the run"),
        ({"device": "cuda:77"}, "cannot be used"),
        ({"optimizer": {"type": "torch.optim.RMSprop", "lr": -1.0}}, "Invalid learning rate"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=message) as error:
        fit(net(), (X, CLASSES), tmp_path / "run", **options)
    assert error.value.exit_code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", [object(), lambda x: x, nn.Linear])
def test_a_model_that_is_no_module_is_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"tw\.fit\(model\): ") as error:
        fit(model, (X, CLASSES), tmp_path / "run")
    assert error.value.fix and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "fix"),
    [
        ((X[:, :3], CLASSES), "a row has 3 values and the first nn.Linear takes 4"),
        ((X.long(), CLASSES), "x.float()"),
        ((X, CLASSES.float()), "y.long()"),
        ((X, CLASSES.unsqueeze(1)), "y.squeeze(-1)"),
        ((X, CLASSES + 5), "from 0 to 2"),
    ],
)
def test_what_does_not_fit_is_told_with_its_fix(data: Any, fix: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        fit(net(), data, tmp_path / "run")
    assert fix in error.value.fix


def test_results_a_full_disk_refuses_are_made_by_the_same_call_with_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("trainwright.api.own.prepared.save_tensors", full)
        with pytest.raises(Unwritten, match="the training is complete") as error:
            fit(net(), (X, CLASSES), tmp_path / "run")
    assert error.value.exit_code == 1 and "resume=True" in error.value.fix and "checkpoint step-" in error.value.why
    assert fit(net(), (X, CLASSES), tmp_path / "run", resume=True).steps and (tmp_path / "run" / "results.json").is_file()


def test_a_directory_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(net(), (X, CLASSES), tmp_path)
    with pytest.raises(RunError, match="there is a run here already") as error:
        fit(net(), (X, CLASSES), tmp_path)
    assert "resume=True" in error.value.fix and "run_dir=" in error.value.fix and "--" not in error.value.fix


def test_images_and_lazy_modules_are_trained_and_measured_pixel_by_pixel(tmp_path: Path) -> None:
    images = torch.rand(24, 1, 8, 8)
    model = nn.Sequential(nn.LazyConv2d(2, 3, padding=1))
    result = fit(model, (images, (images[:, 0] > 0.5).long()), tmp_path, validation=(images, (images[:, 0] > 0.5).long()), batch_size=8)
    assert result.steps == 9
    assert set(result.metrics["validation"]) == {"loss", "accuracy"}
    right = result.system(images).argmax(1) == (images[:, 0] > 0.5)
    assert result.metrics["validation"]["accuracy"] == float(right.double().mean())


@pytest.mark.parametrize("optimizer", ["sam", {"type": "lookahead", "inner": "sgd"}, {"type": "sam", "inner": {"type": "lookahead"}}])
def test_optimizers_round_another_take_the_learning_rate_inside(optimizer: Any, tmp_path: Path) -> None:
    x = torch.randn(40, 3)
    result = tw.fit(
        torch.nn.Linear(3, 2), (x, (x[:, 0] > 0).long()), optimizer=optimizer, max_steps=5, run_dir=tmp_path / "run", console=False
    )
    assert result.steps == 5


def test_a_class_of_torchs_and_no_data_are_refused_with_what_to_write(tmp_path: Path) -> None:
    x = torch.randn(8, 3)
    with pytest.raises(ConfigError, match="no name and no mapping") as error:
        tw.fit(torch.nn.Linear(3, 2), (x, torch.zeros(8).long()), optimizer=torch.optim.SGD, run_dir=tmp_path / "run")  # type: ignore[arg-type]
    assert "'torch.optim.SGD'" in error.value.fix
    with pytest.raises(DataError, match="no training data"):
        tw.fit(torch.nn.Linear(3, 2), None, run_dir=tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


class StepOfItsOwn(nn.Linear):
    def training_step(self, batch: Any, context: Any) -> Tensor:
        raise AssertionError


def test_a_step_of_a_plain_module_is_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"StepOfItsOwn\.training_step would not be called") as error:
        fit(StepOfItsOwn(4, 3), (X, CLASSES), tmp_path / "refused")
    assert "derive StepOfItsOwn from trainwright.System" in error.value.fix
    fit(StepOfItsOwn(4, 3), (X, CLASSES), tmp_path / "asked", loss="cross_entropy", max_epochs=1)
