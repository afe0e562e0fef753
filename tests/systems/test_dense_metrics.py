"""Outputs of any number of dimensions are measured: pixels and tokens, classes first or last, classes left out, masks; nothing vanishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics.asked import Wishes, named_metrics
from trainwright.metrics.shapes import measure_outcome

NAMES = ["accuracy", "f1", "iou", "mcc", "log_loss", "roc_auc", "precision_micro"]


def images(classes: int = 3) -> tuple[Tensor, Tensor]:
    """Logits (b, c, h, w) and masks (b, h, w)."""
    generator = torch.Generator().manual_seed(1)
    masks = torch.randint(0, classes, (6, 4, 5), generator=generator)
    return torch.randn(6, classes, 4, 5, generator=generator) + 2 * nn.functional.one_hot(masks, classes).movedim(-1, 1), masks


def by_scikit_learn(logits: Tensor, truth: Tensor) -> dict[str, float]:
    """Of items: logits (n, c), class numbers (n)."""
    scores, labels, true = logits.softmax(1).double().numpy(), logits.argmax(1).numpy(), truth.numpy()
    classes = np.arange(scores.shape[1])
    areas = [reference.roc_auc_score(true == k, scores[:, k]) for k in classes]
    return {
        "accuracy": reference.accuracy_score(true, labels),
        "f1": reference.f1_score(true, labels, average="macro"),
        "iou": reference.jaccard_score(true, labels, average="macro"),
        "mcc": reference.matthews_corrcoef(true, labels),
        "log_loss": reference.log_loss(true, scores / scores.sum(1, keepdims=True), labels=classes),
        "roc_auc": float(np.mean(areas)),
        "precision_micro": reference.precision_score(true, labels, average="micro"),
    }


def found(metric: Any, outputs: dict[str, Tensor], pieces: int = 3) -> dict[str, float]:
    for place in range(0, len(outputs["target"]), pieces):
        metric.update({name: each[place : place + pieces] for name, each in outputs.items()})
    return dict(metric.compute())


@pytest.mark.parametrize("first", [True, False])
def test_pixels_of_a_mask_are_measured_with_classes_first_and_last(first: bool) -> None:
    logits, masks = images()
    given = logits if first else logits.movedim(1, -1)
    values = found(named_metrics(NAMES, "category"), {"output": given, "target": masks})
    expected = by_scikit_learn(logits.movedim(1, -1).reshape(-1, 3), masks.reshape(-1))
    assert values == pytest.approx({name: expected[name] for name in NAMES}, rel=1e-6) and values["accuracy"] == expected["accuracy"]


def test_tokens_that_are_left_out_count_for_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    logits, truth = torch.randn(8, 11, 5, generator=generator), torch.randint(0, 5, (8, 11), generator=generator)
    truth[torch.rand(8, 11, generator=generator) < 0.4] = -100
    kept = truth != -100
    expected = by_scikit_learn(logits[kept], truth[kept])
    assert found(named_metrics(NAMES), {"output": logits, "target": truth}) == pytest.approx(expected, rel=1e-6)
    others = found(named_metrics(NAMES, ignore_index=7), {"output": logits, "target": truth.where(kept, 7)})
    masked = found(named_metrics(NAMES), {"output": logits, "target": truth.where(kept, 0), "mask": kept})
    assert others == pytest.approx(expected, rel=1e-6) and masked == pytest.approx(expected, rel=1e-6)


def test_fields_of_numbers_and_of_labels_are_measured_element_by_element() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = torch.randn(6, 2, 3, 4, generator=generator, dtype=torch.float64)
    output = truth + 0.3 * torch.randn(6, 2, 3, 4, generator=generator, dtype=torch.float64)
    mask = torch.rand(6, 2, 3, 4, generator=generator) < 0.5
    names = ["mae", "rmse", "r2", "spearman"]
    for given, (t, p) in (({}, (truth.flatten(), output.flatten())), ({"mask": mask}, (truth[mask], output[mask]))):
        values = found(named_metrics(names, "number"), {"output": output, "target": truth, **given})
        assert values["mae"] == pytest.approx(reference.mean_absolute_error(t, p), rel=1e-12)
        assert values["rmse"] == pytest.approx(reference.root_mean_squared_error(t, p), rel=1e-12)
        assert values["r2"] == pytest.approx(reference.r2_score(t, p), rel=1e-12)
    labels = (truth[:, :1] > 0).float()
    values = found(named_metrics(["f1", "roc_auc"], "binary"), {"output": output[:, :1], "target": labels})
    assert values["f1"] == pytest.approx(reference.f1_score(labels.flatten(), output[:, :1].flatten() > 0), rel=1e-12)
    assert values["roc_auc"] == pytest.approx(reference.roc_auc_score(labels.flatten(), output[:, :1].flatten()), rel=1e-12)
    several = (truth > 0).float()
    values = found(named_metrics(["f1", "hamming"], "binary"), {"output": output, "target": several})
    flat = [(each > 0).movedim(1, -1).reshape(-1, 2).numpy() for each in (several, output)]
    assert values["f1"] == pytest.approx(reference.f1_score(*flat, average="macro"), rel=1e-12)
    assert values["hamming"] == pytest.approx(reference.hamming_loss(*flat), rel=1e-12)


def test_shapes_that_do_not_fit_are_told_with_what_would() -> None:
    with pytest.raises(ValueError, match=r"outputs \(2, 3, 4, 5\) with targets \(2, 9\) are not class scores \(b, c, …\) or \(b, …, c\)"):
        measure_outcome("category", torch.zeros(2, 3, 4, 5), torch.zeros(2, 9, dtype=torch.int64))
    with pytest.raises(ValueError, match="in the shape of the target"):
        measure_outcome("number", torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="is not of items"):
        measure_outcome("category", torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.int64), mask=torch.ones(2, 3))


def share(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(1) == target).double().mean()


class Pixels(tw.Metric):
    """How many pixels were seen."""

    def update(self, outputs: Any, batch: Any = None) -> None:
        self.add(pixels=outputs["target"].numel())

    def compute(self) -> dict[str, float]:
        return {"pixels": float(self.sums["pixels"])}


def test_a_segmentation_is_measured_by_names_functions_and_metrics_of_ones_own_in_one_list(tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(24, 3, 4, 4)
    masks = (inputs.sum(1) > 0).long()
    masks[0, 0] = -100
    result = tw.fit(
        nn.Conv2d(3, 2, 1),
        (inputs, masks),
        (inputs, masks),
        metrics=["accuracy", "iou", share, Pixels()],
        batch_size=8,
        max_steps=4,
        run_dir=tmp_path / "run",
        console=False,
    )
    output, kept = result.system(inputs).argmax(1), masks != -100
    values = result.metrics["validation"]
    assert values["accuracy"] == pytest.approx(float((output == masks)[kept].double().mean()), abs=0)
    assert values["iou"] == pytest.approx(reference.jaccard_score(masks[kept], output[kept], average="macro"), rel=1e-12)
    assert values["share"] == pytest.approx(float((output == masks).double().mean()), abs=0)
    assert values["pixels"] == masks.numel()
    assert {"loss", "accuracy", "iou", "share", "pixels"} <= set(result.metrics["train"])


@pytest.mark.parametrize(
    ("model", "target", "loss", "asked", "error", "why"),
    [
        (nn.Conv2d(3, 3, 1), torch.randn(12, 3, 4, 4), "mse", ["cosine"], ConfigError, "kind 'number'"),
        (nn.Conv2d(3, 2, 1), torch.zeros(12, 2, 4, 4), "bce_with_logits", ["accuracy"], ConfigError, "kind 'set'"),
        (nn.Conv2d(3, 2, 1), torch.zeros(12, 4, 4, dtype=torch.int64), "cross_entropy", ["top_k_accuracy_5"], ConfigError, "right"),
        (nn.Conv2d(3, 2, 1), torch.zeros(12, 4, 4, dtype=torch.int64), "cross_entropy", ["acuracy"], ConfigError, ""),
    ],
)
def test_a_metric_that_cannot_be_computed_is_refused_before_anything_is_written(
    model: nn.Module, target: Tensor, loss: str, asked: list[str], error: type[Exception], why: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as raised:
        tw.fit(model, (torch.randn(12, 3, 4, 4), target), loss=loss, metrics=asked, max_steps=1, run_dir=tmp_path / "run", console=False)
    assert why in str(raised.value.why) and not (tmp_path / "run").exists()


def test_a_model_that_gives_no_tensor_is_refused_where_metrics_are_asked_for(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.net(x), self.net(x) * 0.5

    def loss(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output[0], target)

    rows = torch.randn(12, 4), torch.zeros(12, dtype=torch.int64)
    with pytest.raises(ConfigError, match="share cannot be computed"):
        tw.fit(Pair(), rows, loss=loss, metrics=[share], max_steps=1, run_dir=tmp_path / "run", console=False)
    assert not (tmp_path / "run").exists()


def test_objects_of_torchmetrics_are_given_outputs_and_targets(tmp_path: Path) -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    logits, masks = images()
    given = torchmetrics.classification.MulticlassJaccardIndex(3)
    values = found(named_metrics([given, "iou"], "category"), {"output": logits, "target": masks})
    assert values["MulticlassJaccardIndex"] == pytest.approx(values["iou"], rel=1e-6)
    assert given._update_count == 0  # the one given is not changed
    wrong = {"wrong": torchmetrics.classification.MulticlassAccuracy(7)}
    rows = torch.randn(12, 4), torch.zeros(12, dtype=torch.int64)
    with pytest.raises((ConfigError, DataError), match="'wrong' does not take"):
        tw.fit(nn.Linear(4, 2), rows, metrics=wrong, max_steps=1, run_dir=tmp_path / "run", console=False)


@pytest.mark.parametrize("loss", ["focal", "dice"])
def test_a_loss_of_classes_or_labels_is_measured_by_what_its_target_is(loss: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(16, 3, 4, 4)
    labels = (inputs.sum(1, keepdim=True) > 0).float()
    options: dict[str, Any] = {"loss": loss, "metrics": ["accuracy", "iou"], "batch_size": 8, "max_steps": 2, "console": False}
    result = tw.fit(nn.Conv2d(3, 1, 1), (inputs, labels), (inputs, labels), run_dir=tmp_path / "labels", **options)
    right = (result.system(inputs) >= 0) == labels.bool()
    assert result.metrics["validation"]["accuracy"] == float(right.double().mean())
    classes = labels[:, 0].long()
    result = tw.fit(nn.Conv2d(3, 2, 1), (inputs, classes), (inputs, classes), run_dir=tmp_path / "classes", **options)
    assert result.metrics["validation"]["accuracy"] == float((result.system(inputs).argmax(1) == classes).double().mean())


def test_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no metric 'acuracy'") as error:
        Wishes(["acuracy"])
    assert "did you mean 'accuracy'?" in error.value.fix
    with pytest.raises(ConfigError, match="two metrics are called 'f1'"):
        Wishes(["f1", "f1"])
