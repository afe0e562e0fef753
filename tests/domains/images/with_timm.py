"""What is true of models of timm and torchvision: run by `test_timm_models.py` in a process that can import them."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_pictures import draw_classes
from optimizer_cases import continued, optimizer_of, parameters, run
from safetensors.torch import save_file

from trainwright.cli.main import main
from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.registry import build
from trainwright.config.vision_libraries import import_timm
from trainwright.domains.images.models.libraries.closest import closest_model
from trainwright.domains.images.models.libraries.encoder import LibraryEncoder
from trainwright.domains.images.models.libraries.records import list_names
from trainwright.domains.images.preprocessing import Preprocessing
from trainwright.features.spec import InputGroup
from trainwright.optim import OF_TIMM

GOLDEN = json.loads((Path(__file__).parent / "golden" / "timm_models.json").read_text())
MODELS = [name for name in GOLDEN if name not in ("library", "how")]
timm = import_timm()


def of_pictures(channels: int = 3, side: int = 32, columns: int = 1, missing: bool = False) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (columns, channels, side, side)}
    return InputGroup("photo", "image", ["photo"] * columns, None, parts | ({"missing": (columns,)} if missing else {}))


def encoder(options: Any, group: InputGroup | None = None) -> LibraryEncoder:
    made: LibraryEncoder = build("encoder", choose("encoder", options), group=group or of_pictures())
    return made.eval()


def pictures(channels: int = 3, side: int = 32, columns: int = 1) -> torch.Tensor:
    return torch.rand(2, columns, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small ResNet of timm's with 1,000 classes, and the file of its weights."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet").eval()
    for each in model.modules():  # statistics as training leaves them
        if isinstance(each, torch.nn.BatchNorm2d):
            each.running_mean.uniform_(-0.1, 0.1)
            each.running_var.uniform_(0.9, 1.1)
    path = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(model.state_dict(), path)
    return model, path


@pytest.mark.parametrize("name", MODELS)
def test_a_model_by_name_is_timms_without_its_head(name: str) -> None:
    wanted = GOLDEN[name]
    side = 64 if name != "vit_tiny_patch16_224" else 224
    found = encoder(f"timm/{name}", of_pictures(side=side))
    gray = encoder({"type": f"timm/{name}"}, of_pictures(channels=1, side=side))
    assert sum(each.numel() for each in found.parameters()) == wanted["parameters"]
    assert sum(each.numel() for each in gray.parameters()) == wanted["parameters"] + wanted["gray"]
    assert list(zip(found.map_channels, found.map_strides, strict=True)) == [tuple(each) for each in wanted["maps"]]
    size, kept, interpolation, mean, std = wanted["record"]
    options = choose("encoder", {"type": "timm", "name": name, "pretrained": True})
    assert options.preprocessing() == Preprocessing(tuple(size[1:]), tuple(mean), tuple(std), interpolation, "crop", kept)


def test_weights_give_timms_vector_and_a_gray_stem_sums_the_channels(small: Any, caplog: pytest.LogCaptureFixture) -> None:
    model, path = small
    caplog.set_level(logging.INFO)
    x = pictures()
    with torch.no_grad():
        wanted = model.forward_head(model.forward_features(x[:, 0]), pre_logits=True)
        assert torch.equal(encoder({"type": "timm/test_resnet", "weights": str(path)})({"value": x})[:, 0], wanted)
        gray = x[:, :, :1]
        repeated = model.forward_head(model.forward_features(gray[:, 0].expand(-1, 3, -1, -1)), pre_logits=True)
        found = encoder({"type": "timm", "name": "test_resnet", "weights": str(path)}, of_pictures(channels=1))({"value": gray})
    assert torch.allclose(found[:, 0], repeated, atol=1e-5)
    assert "head: fc of 1000 outputs is left out" in caplog.text
    assert "conv1.0.weight: 3 input channels there, 1 here: summed" in caplog.text


@pytest.mark.parametrize("layout", ["state_dict", "ema", "module", "numpy"])
def test_weights_are_read_from_what_train_py_and_others_write(layout: str, small: Any, tmp_path: Path) -> None:
    import numpy as np

    model, path = small
    state = model.state_dict()
    file = tmp_path / ("w.npz" if layout == "numpy" else "w.pth.tar" if layout == "ema" else "w.pth")
    if layout == "numpy":
        np.savez(file, **{name: value.numpy() for name, value in state.items()})
    else:
        torch.save(
            {
                "state_dict": {"epoch": 3, "arch": "test_resnet", "state_dict": state},
                "ema": {"state_dict": {name: value * 0 for name, value in state.items()}, "state_dict_ema": state},
                "module": {f"module.{name}": value for name, value in state.items()},
            }[layout],
            file,
        )
    options = {"source": str(file), **({"state_dict": "state_dict_ema"} if layout == "ema" else {})}
    x = {"value": pictures()}
    with torch.no_grad():
        wanted = encoder({"type": "timm", "name": "test_resnet", "weights": str(path)})(x)
        assert torch.equal(encoder({"type": "timm", "name": "test_resnet", "checkpoint_path": options})(x), wanted)


def test_a_published_model_is_taken_from_a_cache_of_this_machine(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = small
    snapshot = tmp_path / "models--timm--test_resnet.r160_in1k" / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    save_file(model.state_dict(), snapshot / "model.safetensors")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    x = pictures()
    with torch.no_grad():
        wanted = model.forward_head(model.forward_features(x[:, 0]), pre_logits=True)
        assert torch.equal(encoder({"type": "timm/test_resnet", "pretrained": True})({"value": x})[:, 0], wanted)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"the weights of timm/test_resnet\.r160_in1k are not on this machine") as caught:
        encoder({"type": "timm/test_resnet", "pretrained": True})
    assert str(tmp_path / "empty" / "models--timm--test_resnet.r160_in1k") in caught.value.why


def test_an_overlay_names_the_file_and_how_pictures_are_prepared() -> None:
    overlay = {"file": "w.pth", "mean": [0.5, 0.5, 0.5], "crop_mode": "squash", "input_size": [3, 96, 96]}
    options = choose("encoder", {"type": "timm/resnet18", "pretrained": True, "pretrained_cfg_overlay": overlay})
    assert options.weights.source == "w.pth"
    assert options.preprocessing() == Preprocessing((96, 96), (0.5, 0.5, 0.5), (0.229, 0.224, 0.225), "bicubic", "stretch", 0.95)
    options = choose("encoder", {"type": "timm/resnet18", "pretrained": True, "pretrained_cfg_overlay": {"crop_mode": "oval"}})
    with pytest.raises(ConfigError, match="no values of timm's record"):
        options.preprocessing()


@pytest.mark.parametrize(("name", "indices"), [("test_resnet", [1, 2, -1]), ("test_convnext", None), ("mobilenetv3_small_100", [0, -1])])
def test_maps_are_those_of_timms_features_only(name: str, indices: list[int] | None) -> None:
    torch.manual_seed(1)
    ours = encoder({"type": "timm", "name": name, "features_only": True, "out_indices": indices}, of_pictures(side=64))
    theirs = timm.create_model(
        name, features_only=True, **({} if indices is None else {"out_indices": [each % 5 for each in indices]})
    ).eval()
    whole = timm.create_model(name, num_classes=0)
    names = {each.replace(".", "_", each.count(".") - 2): each for each in whole.state_dict()}
    state = ours.network.model.state_dict()
    filled = {key: state[key if key in state else names.get(key, _dotted(key, state))] for key in theirs.state_dict()}
    theirs.load_state_dict(filled)
    x = pictures(side=64)
    with torch.no_grad():
        maps, wanted = ours.maps({"value": x}), theirs(x[:, 0])
        vector = ours({"value": x})
        assert torch.equal(ours.pool_maps(maps, {"value": x}), vector) and torch.equal(vector[:, 0], maps[-1].mean((2, 3)))
    assert [each.shape for each in maps] == [each.shape for each in wanted]
    assert all(torch.equal(*each) for each in zip(maps, wanted, strict=True))
    assert list(ours.map_channels) == theirs.feature_info.channels() and list(ours.map_strides) == theirs.feature_info.reduction()


def _dotted(key: str, state: dict[str, Any]) -> str:
    """timm's flattened name (`stages_0.blocks…`) as that of the whole model."""
    return next(name for name in state if name.replace(".", "_") == key.replace(".", "_"))


def test_a_whole_model_gives_its_maps_and_its_vector_in_one_pass() -> None:
    for name in ("test_resnet", "test_vit", "test_efficientnet"):
        made = encoder(f"timm/{name}", of_pictures(side=64, missing=True))
        parts = {"value": pictures(side=64), "missing": torch.tensor([[0.0], [1.0]])}
        with torch.no_grad():
            maps = made.maps(parts)
            found = made(parts)
            assert torch.equal(made.pool_maps(maps, parts), found)
        assert torch.equal(found[1, 0], made.absent.detach())
        assert [each.shape[1] for each in maps] == list(made.map_channels)


def test_several_columns_share_the_network() -> None:
    made = encoder("timm/test_resnet", of_pictures(side=32, columns=2))
    x = pictures(columns=2)
    with torch.no_grad():
        found = made({"value": x})
    assert found.shape == (2, 2, made.width) and not torch.equal(found[:, 0], found[:, 1])
    with pytest.raises(ConfigError, match="one column of pictures"):
        made.maps({"value": x})


@pytest.mark.parametrize(
    ("options", "group", "told"),
    [
        ("timm/resnet19", {}, ["timm has no model 'resnet19'", "did you mean resnet18"]),
        ("timm/resnet18.a1_in2k", {}, ["no weights 'a1_in2k' of resnet18", "did you mean resnet18.a1_in1k"]),
        ("timm/resnet18", {"side": 8}, ["resnet18 does not take pictures of 8×8", "columns.photo.size=32, the smallest that works"]),
        ("timm/test_vit", {"side": 8}, ["test_vit does not take pictures of 8×8", "columns.photo.size=16, the smallest"]),
        ({"type": "timm/resnet18", "model_kwargs": {"width": 3}}, {}, ["resnet18 has no argument 'width'"]),
        ({"type": "timm/resnet18", "features_only": True, "out_indices": [7]}, {}, ["resnet18 has no map 7", "0 to 4"]),
        ("torchvision/resnet19", {}, ["torchvision has no model 'resnet19'", "did you mean resnet18"]),
    ],
)
def test_what_a_model_does_not_take_is_said_before_anything_is_trained(options: Any, group: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        encoder(options, of_pictures(**group))
    assert all(each in str(caught.value) for each in told), str(caught.value)


def test_a_vision_transformer_is_made_for_the_size_of_the_pictures() -> None:
    made = encoder("timm/test_vit", of_pictures(side=48))
    assert made.network.model.patch_embed.grid_size == (3, 3)
    dynamic = encoder({"type": "timm/test_vit", "dynamic_img_size": True}, of_pictures(side=48))
    assert dynamic.network.model.patch_embed.grid_size == (10, 10) and dynamic({"value": pictures(side=48)}).shape == (2, 1, made.width)


def test_weights_of_another_architecture_are_refused_naming_it_and_three_keys(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    save_file(timm.create_model("resnet18").state_dict(), path)
    for name, key in (("resnet26", "layer1.0.conv1.weight (64, 64, 3, 3) there, (64, 64, 1, 1) here"), ("resnet34", "here, nothing there")):
        with pytest.raises(ConfigError) as caught:
            encoder({"type": f"timm/{name}", "weights": str(path)})
        told = str(caught.value)
        assert str(path) in told and f"not of {name}; the closest architecture is resnet18" in told and "timm/resnet18" in told
        assert told.count(" there") == 3 and key in told


def test_weights_are_named_before_counters(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    counters = {f"a.{number}.num_batches_tracked": torch.tensor(0) for number in range(5)}
    save_file({**counters, "b.weight": torch.zeros(8, 3)}, path)
    with pytest.raises(ConfigError, match=r"b\.weight \(8, 3\) there, nothing here; [^;]* \(\d"):
        encoder({"type": "timm/resnet18", "weights": str(path)})


def test_the_closest_architecture_of_another_family_is_found() -> None:
    shapes = {name: tuple(each.shape) for name, each in timm.create_model("convnext_atto").state_dict().items()}
    assert closest_model(shapes, "resnet18") == "convnext_atto"


def test_drop_rates_reach_the_model() -> None:
    made = encoder({"type": "timm/test_vit", "drop": 0.3, "drop_path": 0.2}, of_pictures(side=32))
    rates = [each.drop_path1.drop_prob for each in made.network.model.blocks if hasattr(each.drop_path1, "drop_prob")]
    assert rates[-1] == pytest.approx(0.2) and rates == sorted(rates)


def test_torchvision_gives_the_same_resnet_for_the_same_file(tmp_path: Path) -> None:
    path, x = tmp_path / "resnet18.safetensors", {"value": pictures()}
    ours = encoder("timm/resnet18")
    save_file(ours.network.model.state_dict(), path)
    with torch.no_grad():
        theirs = encoder({"type": "torchvision/resnet18", "weights": str(path)})
        assert torch.equal(theirs(x), ours(x))
    assert sum(each.numel() for each in theirs.parameters()) == GOLDEN["resnet18"]["parameters"]
    assert encoder("torchvision/mobilenet_v3_small", of_pictures(channels=1)).width == 1024


def test_models_are_listed_by_pattern_and_by_their_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"resnet18", "resnet18d"} <= set(list_names("resnet18*")) and "resnet18.a1_in1k" in list_names("resnet18", pretrained=True)
    with pytest.raises(RequestError, match="no model of timm fits 'resnt"):
        list_names("resnt*")
    assert main(["list", "model.timm", "resnet18*", "--pretrained"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("resnet18.a1_in1k\n") and "model=timm/resnet18.a1_in1k" in shown


def test_train_and_predict_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    draw_classes(tmp_path / "pictures", count=12)
    model = timm.create_model("test_resnet", num_classes=7)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    words = ("model=timm/test_resnet", "weights=w.safetensors", "columns.image.size=32", "trainer.max_epochs=1", "run.dir=run")
    assert main(["train", "pictures", *words]) == 0
    assert "of 7 outputs is left out" in "".join(capsys.readouterr())
    Path("w.safetensors").unlink()  # the run needs it no more
    assert main(["predict", "run", "pictures", "-o", "out.csv"]) == 0
    assert len(Path("out.csv").read_text().splitlines()) == 25
    assert main(["train", "pictures", "model=timm/test_resnet", "weights=w.safetensors", "run.dir=no"]) == 2
    assert "w.safetensors: there are no such weights" in capsys.readouterr().err and not Path("no").exists()


def test_dotted_paths_into_timm_work_beside_a_torchvision_for_another_torch() -> None:
    assert "timm" in sys.modules and choose("optimizer", {"type": "timm.optim.AdamP", "lr": 0.1}).type == "timm.optim.AdamP"


@pytest.mark.parametrize("name", ["adamp", "madgradw", "lars", "lookahead_adan"])
def test_an_optimizer_of_timm_continues_to_the_same_bits(name: str) -> None:
    options = {"type": name, **({} if name.startswith("lookahead") else {"learning_rate": 0.01, "weight_decay": 0.1})}
    whole, first = parameters(), parameters()
    run(optimizer_of(options, whole), whole, range(6))
    before = optimizer_of(options, first)
    run(before, first, range(3))
    second, after = continued(options, first, before)
    run(after, second, range(3, 6))
    assert [each for each in whole if not torch.equal(whole[each], second[each])] == []


def test_every_name_of_an_optimizer_of_timm_is_known_to_timm() -> None:
    assert set(OF_TIMM) <= set(timm.optim.list_optimizers())
    with pytest.raises(ConfigError, match="gradients of gradients"):
        optimizer_of("timm/adahessian", parameters())
    with pytest.raises(ConfigError, match="timm has no optimizer 'adamq'"):
        optimizer_of("timm/adamq", parameters())
