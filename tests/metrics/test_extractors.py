"""What makes features, by name: learnt from rows, or a network from files; and what cannot be is told."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.vision_libraries import import_timm
from trainwright.files.tensors import save_tensors
from trainwright.metrics.extractor import Extractor, make_extractor
from trainwright.metrics.extractors import ClassifierOptions
from trainwright.metrics.extractors.classifier import Convolutions, make_network
from trainwright.metrics.frechet import FID
from trainwright.metrics.inception import InceptionScore, score


def classed(rows: int, shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal rows of three classes, whose means are 0, 6 and 12."""
    x = torch.randn(rows, *shape, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(rows) % 3
    return x + 6.0 * y.reshape(-1, *[1] * len(shape)), y


def test_components_are_those_of_numpy_whatever_the_signs() -> None:
    x, _ = classed(50, (2, 3))
    features = make_extractor({"type": "pca", "components": 4}, "fid")
    features.fit(x)
    flat = x.flatten(1).double()
    # numpy.linalg.svd of the centered rows: the spread along each direction is its singular value
    spread = torch.linalg.svdvals(flat - flat.mean(0))[:4]
    torch.testing.assert_close(features(x).square().sum(0).sqrt(), spread)
    assert features(x).shape == (50, 4) and features.name == "pca (of values of 50 training rows)"


def test_there_are_no_more_components_than_directions() -> None:
    flat = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 9, generator=torch.Generator().manual_seed(1))
    features = make_extractor("pca", "fid")
    features.fit(flat)
    assert features(flat).shape == (40, 2)
    with pytest.raises(DataError, match="all alike"):
        make_extractor("pca", "fid").fit(torch.ones(5, 3))


def test_standardized_components_do_not_depend_on_units() -> None:
    x, _ = classed(50, (4,))
    one, other = (make_extractor({"type": "pca", "standardize": True}, "fid") for _ in range(2))
    one.fit(x)
    other.fit(x * torch.tensor([1.0, 1000.0, 1e-3, 5.0]))
    torch.testing.assert_close(one(x), other(x * torch.tensor([1.0, 1000.0, 1e-3, 5.0])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "network"), [((4,), "mlp"), ((1, 4, 4), "convolutional"), ((2, 6), "convolutional")], ids=["vectors", "pictures", "signals"]
)
def test_a_classifier_tells_classes_apart_and_is_the_same_again(shape: tuple[int, ...], network: str) -> None:
    x, y = classed(240, shape)
    options = {"type": "classifier", "steps": 500 if network == "mlp" else 120, "layers": [16, 8], "batch_size": 32, "network": network}
    features, again = make_extractor(options, "fid"), make_extractor(options, "fid")
    state = torch.get_rng_state()
    features.fit(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    again.fit(x, y)
    found = features(x)
    assert torch.equal(again(x), found) and again.identity() == features.identity()
    assert found.shape == (240, 16 if len(shape) > 1 and network == "convolutional" else 8)
    probabilities = features.probabilities(found)
    assert probabilities is not None
    torch.testing.assert_close(probabilities.sum(1), torch.ones(240, dtype=torch.float64))
    assert (probabilities.argmax(1) == y).double().mean() > 0.9
    assert "of 3 classes, right on" in features.name


def test_the_values_themselves_are_layered_where_they_are_few() -> None:
    options = ClassifierOptions()
    assert isinstance(make_network(options, (1, 32, 32), 3)[0], nn.Flatten)
    assert isinstance(make_network(options, (3, 32, 32), 3)[0], Convolutions)
    assert isinstance(make_network(options, (5000,), 3)[0], nn.Flatten)


def test_features_of_another_classifier_are_other_ones() -> None:
    x, y = classed(60, (4,))
    made = [make_extractor({"type": "classifier", "steps": 5, "seed": seed}, "fid") for seed in (0, 1)]
    for each in made:
        each.fit(x, y)
    assert made[0].identity() != made[1].identity()


def test_a_classifier_needs_two_classes_and_rows_of_the_shape_it_learnt() -> None:
    x, y = classed(30, (4,))
    with pytest.raises(DataError, match="one class"):
        make_extractor("classifier", "fid").fit(x, torch.zeros(30))
    with pytest.raises(DataError, match="no classes"):
        make_extractor("classifier", "fid").fit(x)
    features = make_extractor({"type": "classifier", "steps": 2}, "fid")
    features.fit(x, y)
    with pytest.raises(DataError, match="does not take rows of shape"):
        features(torch.zeros(3, 5))


def test_what_must_learn_first_says_so() -> None:
    with pytest.raises(ConfigError, match="has not seen training rows"):
        FID(features="pca").add_made(torch.zeros(3, 4))


WRONG: list[tuple[Any, str]] = [
    ("pixel", "unknown feature_extractor type 'pixel'"),
    ({"type": "pca", "component": 3}, "pca takes no 'component'"),
    ({"type": "pca", "components": 0}, "components"),
    ({"type": "classifier", "layers": []}, "layers"),
    ({"type": "timm", "model": "resnet18"}, "weights"),
    ({"type": "transformers", "folder": "nowhere"}, "holds no network"),
    ("", "needs features to compare"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=range(len(WRONG)))
def test_features_that_cannot_be_are_refused(given: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_extractor(given, "fid")


# networks


def write_network(folder: Path, kind: str) -> Any:
    """A vision network of transformers, some thousand weights, as `save_pretrained` writes it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    if kind == "clip":
        text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50, "intermediate_size": 16}
        config = transformers.CLIPConfig(text_config=text, vision_config={**small, "intermediate_size": 16}, projection_dim=12)
        network = transformers.CLIPModel(config)
    else:
        network = transformers.Dinov2Model(transformers.Dinov2Config(**small))
    network.save_pretrained(folder)
    head = {"crop_size": {"height": 28, "width": 28}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
    (folder / "preprocessor_config.json").write_text(json.dumps(head))
    return network.eval()


@pytest.mark.parametrize("kind", ["dinov2", "clip"])
def test_a_network_of_transformers_is_given_pictures_as_it_was_trained(tmp_path: Path, kind: str) -> None:
    network = write_network(tmp_path, kind)
    features = make_extractor({"type": "transformers", "folder": str(tmp_path), "scaled": True}, "fid")
    features.low, features.high = -1.0, 1.0
    gray = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ready = nn.functional.interpolate(((gray + 1) / 2).expand(-1, 3, -1, -1), (28, 28), mode="bicubic", antialias=True)
    ready = (ready - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    with torch.no_grad():
        found = network.get_image_features(pixel_values=ready) if kind == "clip" else network(pixel_values=ready)
    found = getattr(found, "pooler_output", found)
    wanted = found.double() / found.double().norm(dim=1, keepdim=True) * math.sqrt(found.shape[1])
    torch.testing.assert_close(features(gray), wanted, rtol=1e-5, atol=1e-5)
    assert "resized to 28×28 bicubic antialiased" in features.name and "weights " in features.name
    assert not features.classes_known
    with pytest.raises(DataError, match="does not take rows of shape"):
        features(torch.zeros(2, 5))
    with pytest.raises(ConfigError, match="gives no probabilities of classes"):
        InceptionScore(features=features).add_made(gray)


def test_other_weights_or_sizes_are_other_features(tmp_path: Path) -> None:
    write_network(tmp_path, "dinov2")
    one = make_extractor({"type": "transformers", "folder": str(tmp_path)}, "fid")
    other = make_extractor({"type": "transformers", "folder": str(tmp_path), "resize": 42}, "fid")
    assert one.identity() != other.identity()


@pytest.fixture
def libraries() -> Any:
    """timm and torchvision, where they are installed."""
    try:
        return import_timm()
    except RequestError as error:
        pytest.skip(str(error))


def test_a_network_of_timm_gives_what_its_head_is_given(tmp_path: Path, libraries: Any) -> None:
    torch.manual_seed(0)
    network = libraries.create_model("resnet10t", num_classes=1000).eval()
    save_tensors(tmp_path / "w.safetensors", network.state_dict())
    features = make_extractor({"type": "timm", "model": "resnet10t", "weights": str(tmp_path / "w.safetensors"), "resize": 32}, "fid")
    rows = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ready = (rows - torch.tensor(features.mean)[:, None, None]) / torch.tensor(features.std)[:, None, None]  # type: ignore[attr-defined]
        logits = network(ready)
    found = features(rows)
    assert found.shape == (2, 512) and features.classes_known
    torch.testing.assert_close(features.probabilities(found), logits.double().softmax(1), rtol=1e-4, atol=1e-7)


def test_a_network_of_torchvision_gives_what_its_last_layer_is_given(tmp_path: Path, libraries: Any) -> None:
    models = sys.modules["torchvision"].models
    torch.manual_seed(0)
    network = models.get_model("mobilenet_v3_small", weights=None).eval()
    save_tensors(tmp_path / "w.safetensors", network.state_dict())
    given = {"type": "torchvision", "model": "mobilenet_v3_small", "weights": str(tmp_path / "w.safetensors"), "resize": 32}
    features = make_extractor(given, "fid")
    rows = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ready = (rows - torch.tensor(features.mean)[:, None, None]) / torch.tensor(features.std)[:, None, None]  # type: ignore[attr-defined]
        logits = network(ready)
    found = features(rows)
    assert found.shape == (2, 1024)
    torch.testing.assert_close(features.probabilities(found), logits.double().softmax(1), rtol=1e-4, atol=1e-7)
    with pytest.raises(ConfigError, match="weights are of another network"):
        make_extractor({**given, "model": "resnet18"}, "fid")
    with pytest.raises(ConfigError, match="torchvision has no 'resnet19'"):
        make_extractor({**given, "model": "resnet19"}, "fid")


# the Inception score


def test_the_inception_score_is_that_of_its_formula() -> None:
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], dtype=torch.float64)
    mean = p.mean(0)
    wanted = math.exp(sum(float((each * (each / mean).log()).sum()) for each in p) / 3)  # Salimans et al. 2016, written out
    assert score(p.sum(0), torch.xlogy(p, p).sum(), torch.tensor(3)) == pytest.approx(wanted, rel=1e-12)


class Told(Extractor):
    """Its features are the probabilities."""

    classes_known = True  # type: ignore[assignment]

    def probabilities(self, features: Tensor) -> Tensor:
        return features


def test_the_inception_score_lies_between_one_and_the_number_of_classes() -> None:
    metric = InceptionScore(features=Told(lambda rows: rows, "told"))
    metric.add_made(torch.eye(4).repeat(50, 1))
    metric.add_real(torch.full((200, 4), 0.25))
    found = metric.compute()
    assert found["inception_score"] == pytest.approx(4.0) and found["inception_score.real"] == pytest.approx(1.0)


def test_the_inception_score_of_pieces_is_that_of_all_rows() -> None:
    p = torch.rand(100, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).softmax(1)
    whole, one, other = (InceptionScore(features=Told(lambda rows: rows, "told")) for _ in range(3))
    for metric, rows in ((whole, p), (one, p[:37]), (other, p[37:])):
        metric.update(rows, rows)
    one.merge([other])
    assert one.compute() == pytest.approx(whole.compute(), rel=1e-12)
