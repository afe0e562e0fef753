"""Weights are loaded whole or in part, every name is accounted for, and a module that refuses them stays untouched."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import trainwright as tw
from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import ConfigError, RunError
from trainwright.weights.files import kind_of
from trainwright.weights.loading import load_weights
from trainwright.weights.sources import split_source


def network(classes: int = 3, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))


class Net(nn.Module):
    def __init__(self, classes: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
        self.head = nn.Linear(8, classes)


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def write(path: Path, tensors: Mapping[str, Tensor], **metadata: str) -> Path:
    save_file({name: value.clone() for name, value in tensors.items()}, path, metadata=metadata or None)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "r"
    torch.manual_seed(1)
    data = (torch.randn(64, 4), torch.randint(0, 3, (64,)))
    tw.fit(network(), data, loss="cross_entropy", max_epochs=2, batch_size=16, run_dir=folder)
    return folder


@pytest.mark.parametrize("place", ["", "model", "model/model.safetensors", "checkpoints/last", "checkpoints/step-00000008", "checkpoints"])
def test_a_run_is_a_source_and_tells_step_and_epoch(run: Path, place: str) -> None:
    model = network(seed=5)
    report = load_weights(model, run / place)
    assert report.complete and len(report.loaded) == 9
    assert report.step in (8, None) and (report.step is None) == place.startswith("model")
    assert report.epoch == (None if report.step is None else 2)
    from safetensors.torch import load_file

    assert same(model.state_dict(), load_file(run / "model" / "model.safetensors"))


def test_a_run_without_a_model_gives_its_last_checkpoint_and_averages_are_taken(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(RunError, match="this run has no weights yet"):
        load_weights(nn.Linear(2, 1), tmp_path)
    store = CheckpointStore(tmp_path / "checkpoints")
    raw, averaged = nn.Linear(2, 1).state_dict(), {"weight": torch.full((1, 2), 7.0)}
    state = {"tick": 9, "plan": {"first_tick": 2, "first_epoch": 1}, "extent": [3, 20]}
    store.write(Manifest("full", 8), {"system.safetensors": raw, "evaluated.safetensors": averaged}, {"trainer.json": state})
    store.point()
    model = nn.Linear(2, 1)
    report = load_weights(model, tmp_path)
    assert (report.step, report.epoch) == (8, 3)  # 1 + (9 - 2) // 3
    assert report.notes == ["of the run, step-00000008 was taken", "the averaged weights were taken, as they are evaluated"]
    assert torch.equal(model.weight, averaged["weight"]) and torch.equal(model.bias, raw["bias"])
    load_weights(model, tmp_path / "checkpoints" / "last", averaged=False)
    assert torch.equal(model.weight, raw["weight"])
    report = load_weights(model, tmp_path / "checkpoints" / "step-00000008" / "system.safetensors")
    assert (report.step, report.epoch) == (8, 3) and torch.equal(model.weight, raw["weight"])


def test_a_damaged_checkpoint_is_refused_and_left_where_it_is(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).write(Manifest("full", 8), {"system.safetensors": nn.Linear(2, 1).state_dict()}, {})
    path = tmp_path / "step-00000008" / "system.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match=r"(?s)this checkpoint is damaged.*system\.safetensors does not match its sha256"):
        load_weights(nn.Linear(2, 1), tmp_path / "step-00000008")
    assert path.parent.is_dir()


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("runs/a/last.ckpt:geometry.encoding", ("runs/a/last.ckpt", "geometry.encoding")),
        ("net.safetensors", ("net.safetensors", "")),
        (r"C:\runs\net.safetensors", (r"C:\runs\net.safetensors", "")),
        ("C:net.safetensors", ("C:net.safetensors", "")),
        (r"C:\runs\net.safetensors:head", (r"C:\runs\net.safetensors", "head")),
        ("https://host:8080", ("https://host:8080", "")),
        ("https://host:8080/net.safetensors", ("https://host:8080/net.safetensors", "")),
        ("https://host:8080/net.safetensors:head", ("https://host:8080/net.safetensors", "head")),
        ("file:///C:/net.safetensors", ("file:///C:/net.safetensors", "")),
    ],
)
def test_the_colon_before_a_part_is_told_from_others(source: str, parts: tuple[str, str]) -> None:
    assert split_source(source) == parts


def test_a_file_with_a_colon_in_its_name_is_that_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a:b", nn.Linear(2, 1).state_dict())
    assert split_source(str(path)) == (str(path), "")


def test_only_names_below_the_part_count(tmp_path: Path) -> None:
    net = Net(seed=3)
    path = write(tmp_path / "w.safetensors", {f"module.{name}": value for name, value in net.state_dict().items()})
    head = nn.Linear(8, 3)
    report = load_weights(head, f"{path}:head")
    assert report.complete and report.renamed == {"module.head.weight": "weight", "module.head.bias": "bias"}
    assert same(head.state_dict(), net.head.state_dict())
    assert load_weights(nn.Linear(4, 8), path, submodule="backbone.0").complete
    with pytest.raises(ConfigError, match=r"no part 'haed'\n  fix: did you mean 'head'\?"):
        load_weights(head, f"{path}:haed")
    with pytest.raises(ConfigError, match="two parts are named: 'head' in the source and 'backbone'"):
        load_weights(head, f"{path}:head", submodule="backbone")


@pytest.mark.parametrize("put", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "anything."])
def test_wrappers_are_taken_off(tmp_path: Path, put: str) -> None:
    net = Net(seed=3)
    path = write(tmp_path / "w.safetensors", {put + name: value for name, value in net.state_dict().items()})
    other = Net(seed=4)
    report = load_weights(other, path)
    assert report.complete and report.renamed[f"{put}head.bias"] == "head.bias"
    assert same(other.state_dict(), net.state_dict())


def test_a_wrapped_module_takes_plain_names() -> None:
    net = Net(seed=3)
    for wrapped in (nn.DataParallel(Net(seed=4)), torch.compile(Net(seed=4)), nn.ModuleDict({"model": Net(seed=4)})):
        assert isinstance(wrapped, nn.Module)
        assert load_weights(wrapped, net.state_dict()).complete
        assert all(torch.equal(a, b) for a, b in zip(wrapped.state_dict().values(), net.state_dict().values(), strict=True))


def test_a_head_with_other_classes_is_dropped_by_name_when_partial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net, other = Net(1000, seed=3), Net(10, seed=4)
    path, head = write(tmp_path / "w.safetensors", net.state_dict()), copy_of(other.head)
    with caplog.at_level(logging.DEBUG, "trainwright.weights"):
        report = load_weights(other, path, partial=True)
    assert [str(each) for each in report.dropped] == [
        "head.bias has (1000,) there and (10,) here",
        "head.weight has (1000, 8) there and (10, 8) here",
    ]
    assert same(other.head.state_dict(), head) and same(other.backbone.state_dict(), net.backbone.state_dict())
    said = [each.getMessage() for each in caplog.records]
    assert said[0].splitlines()[:2] == [
        f"weights from {path}: 7 of 9 tensors loaded (73 numbers)",
        "  replaced: head has 1000 outputs there and 10 here",
    ]
    assert "loaded: backbone.1.running_mean\n" in said[1]


def test_what_does_not_fit_is_named_with_shapes_and_the_module_stays_as_it_was(tmp_path: Path) -> None:
    state = copy_of(Net(5, seed=3))
    state["haed.scale"] = torch.ones(2)
    del state["backbone.1.bias"]
    other = Net(3, seed=4)
    before = copy_of(other)
    with pytest.raises(ConfigError) as caught:
        load_weights(other, state)
    assert str(caught.value) == (
        "the mapping given: these weights do not fit the model\n"
        "  why: missing: backbone.1.bias (8,); not in the model: haed.scale (2,); "
        "head.weight has (5, 8) there and (3, 8) here; head.bias has (5,) there and (3,) here\n"
        "  fix: take what fits with partial=True, leave names out with ignore=[…], or rename with renames={'old': 'new'}"
    )
    assert same(before, copy_of(other))


def test_the_nearest_name_is_told() -> None:
    state = copy_of(Net(seed=3))
    state["heads.bias"] = state.pop("head.bias")
    with pytest.raises(
        ConfigError, match=r"missing: head\.bias \(3,\); not in the model: heads\.bias \(3,\) \(nearest: head\.bias \(3,\)\)"
    ):
        load_weights(Net(seed=4), state)


@pytest.mark.parametrize("partial", [False, True])
def test_weights_of_another_architecture_have_a_sentence_of_their_own(partial: bool) -> None:
    other = Net()
    before = copy_of(other)
    with pytest.raises(ConfigError) as caught:
        load_weights(other, nn.LSTM(3, 3).state_dict(), partial=partial)
    assert caught.value.what == "these are weights of another architecture"
    assert caught.value.why.startswith("0 of 9 tensors fit by name and shape; they have weight_ih_l0 (12, 3), weight_hh_l0 (12, 3), ")
    assert same(before, copy_of(other))


def test_a_part_of_the_other_is_recognised() -> None:
    whole = nn.ModuleDict({"encoder": network(), "decoder": nn.Linear(3, 4)})
    with pytest.raises(ConfigError, match=r"the model is their part 'a\.encoder': name it with submodule='a\.encoder'"):
        load_weights(network(), {f"a.{name}": value for name, value in whole.state_dict().items()} | {"b": torch.ones(1)}, submodule="a")
    with pytest.raises(ConfigError, match="they fit the model's part 'encoder': load them into that"):
        load_weights(nn.ModuleDict({"encoder": network(), "decoder": nn.LSTM(9, 9, 3)}), network().state_dict())


def test_ignored_names_are_neither_missing_nor_unexpected() -> None:
    net, other = Net(7, seed=3), Net(3, seed=4)
    state = {**net.state_dict(), "guidance.weight": torch.ones(3)}
    report = load_weights(other, state, ignore=["head", "guid*", "backone"])
    assert report.complete and sorted(report.ignored) == ["guidance.weight", "head.bias", "head.weight"]
    assert report.notes == ["no name matches 'backone', which was to be ignored; did you mean 'backbone'? available: backbone, head"]


def test_prefixes_are_renamed_on_request() -> None:
    state = {name.replace("backbone", "encoder.trunk"): value for name, value in Net(seed=3).state_dict().items()}
    other = Net(seed=4)
    report = load_weights(other, state, renames={"encoder.trunk": "backbone", "decoder": "x"})
    assert report.complete and report.renamed["encoder.trunk.0.weight"] == "backbone.0.weight"
    assert report.notes == ["no name begins with 'decoder' or fits it, which was to be renamed"]
    with pytest.raises(ConfigError, match=r"two tensors of these weights get one name\n  why: a\.weight and b\.weight both become weight"):
        load_weights(nn.Linear(1, 1), {"a.weight": torch.ones(1), "b.weight": torch.ones(1)}, renames={"a": "", "b": ""})


def test_dimensions_of_size_one_are_reshaped_when_partial_and_single_numbers_always() -> None:
    conv, linear = nn.Conv2d(4, 8, 1), nn.Linear(4, 8)
    report = load_weights(conv, linear.state_dict(), partial=True)
    assert [str(each) for each in report.reshaped] == ["weight has (8, 4) there and (8, 4, 1, 1) here"]
    assert torch.equal(conv.weight[:, :, 0, 0], linear.weight)
    scale = nn.ParameterDict({"s": nn.Parameter(torch.zeros(()))})
    assert load_weights(scale, {"s": torch.ones(1)}).complete and scale["s"].item() == 1


def test_casts_are_exact_where_they_can_be_and_said_where_not() -> None:
    model = nn.Linear(2, 1)
    assert load_weights(model, {"weight": torch.tensor([[0.5, 1.0]]).double(), "bias": torch.ones(1).half()}).notes == []
    assert model.weight.dtype is torch.float32 and model.weight.tolist() == [[0.5, 1.0]]
    report = load_weights(model, {"weight": torch.tensor([[0.1, 1.0]], dtype=torch.float64), "bias": torch.ones(1)})
    assert report.notes == ["1 tensors were rounded from float64 to float32: weight"]
    report = load_weights(nn.Linear(2, 1).half(), {"weight": torch.full((1, 2), 1e9), "bias": torch.ones(1)})
    assert report.notes[1] == "values too large for the model's type became infinite in weight"
    with pytest.raises(ConfigError, match="bias \\(complex64 does not fit float32\\)"):
        load_weights(model, {"weight": torch.ones(1, 2), "bias": torch.ones(1) * 1j})
    with pytest.raises(ConfigError, match="num_batches_tracked \\(values of float32 that int64 cannot hold\\)"):
        load_weights(nn.BatchNorm1d(1), nn.BatchNorm1d(1).state_dict() | {"num_batches_tracked": torch.tensor(0.5)})


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


def test_tied_weights_need_one_name_only_and_stay_tied_on_meta() -> None:
    value = torch.randn(5, 3)
    with torch.device("meta"):
        empty = Tied()
    for model in (Tied(), empty):
        report = load_weights(model, {"embed.weight": value})
        assert report.complete and sorted(report.loaded) == ["embed.weight", "head.weight"]
        assert model.head.weight is model.embed.weight and torch.equal(model.head.weight, value)


def test_modules_on_the_meta_device_become_real_and_keep_what_they_are() -> None:
    net = Net(seed=3).double()
    with torch.device("meta"):
        empty = Net()
    empty.head.weight.requires_grad_(False)
    state = net.state_dict()
    report = load_weights(empty, state)
    assert report.complete and not any(each.is_meta for each in empty.state_dict().values())
    assert not empty.head.weight.requires_grad and empty.head.bias.requires_grad and empty.head.bias.dtype is torch.float32
    assert torch.equal(empty.head.bias, net.head.bias.float())
    assert empty.head.weight.data_ptr() != state["head.weight"].data_ptr()
    with torch.device("meta"):
        half = Net(9)
    report = load_weights(half, state, partial=True)
    assert report.notes[-1] == "head.weight, head.bias have no memory yet (meta device): give them values before the module is used"
    skipped = nn.utils.skip_init(nn.Linear, 8, 3)  # type: ignore[no-untyped-call]
    assert load_weights(skipped, net.head.state_dict()).complete and torch.equal(skipped.bias, net.head.bias.float())


def test_lazy_modules_must_be_run_first() -> None:
    with pytest.raises(ConfigError, match="weight, bias of lazy layers have no shapes yet\n  fix: run the module once on a batch first"):
        load_weights(nn.LazyLinear(3), nn.Linear(8, 3).state_dict())
    with pytest.raises(ConfigError, match="ReLU has no weights to load"):
        load_weights(nn.ReLU(), nn.Linear(8, 3).state_dict())


def test_parametrised_weights_come_from_old_names_and_from_plain_ones() -> None:
    plain = nn.Linear(4, 3)
    model = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    g, v = plain.weight.detach().norm(dim=1, keepdim=True), plain.weight.detach() * 2
    assert load_weights(model, {"weight_g": g, "weight_v": v, "bias": plain.bias}).complete
    assert torch.allclose(model.weight, plain.weight)
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    other = nn.ModuleDict({"a": normed})
    report = load_weights(other, {f"a.{name}": value for name, value in plain.state_dict().items()})
    assert report.complete and torch.allclose(normed.weight, plain.weight)
    assert "carried back through the parametrisation: a.parametrizations.weight.original0" in report.notes[0]
    one_way = nn.Linear(4, 3)
    nn.utils.parametrize.register_parametrization(one_way, "weight", nn.Tanh())
    with pytest.raises(ConfigError, match="'weight' is parametrised here and plain in the source\n  why: Tanh has no right_inverse"):
        load_weights(one_way, plain.state_dict())


def test_a_module_that_fails_half_way_is_put_back() -> None:
    class Picky(nn.Linear):
        def _load_from_state_dict(self, *arguments: Any) -> None:
            super()._load_from_state_dict(*arguments)
            raise ValueError("not these")

    model = nn.Sequential(nn.Linear(2, 2), Picky(2, 2))
    before = copy_of(model)
    with pytest.raises(RunError, match="the module refused these weights; it is as it was\n  why: not these"):
        load_weights(model, nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict())
    assert same(before, copy_of(model))


def test_numpy_files_are_sources(tmp_path: Path) -> None:
    state = Net(seed=3).state_dict()
    np.savez(tmp_path / "w.npz", **{name: value.numpy() for name, value in state.items()})
    other = Net(seed=4)
    assert load_weights(other, tmp_path / "w.npz").complete and same(other.state_dict(), state)
    np.save(tmp_path / "w.npy", np.arange(6, dtype=">f4").reshape(2, 3))
    table = nn.Embedding(2, 3)
    assert load_weights(table, tmp_path / "w.npy").complete and table.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ConfigError, match="holds one tensor without a name\n  why: the model has 9"):
        load_weights(other, tmp_path / "w.npy")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="it holds Python objects, which are pickled"):
        load_weights(table, tmp_path / "o.npy")


def test_several_files_under_an_index_are_one_source(tmp_path: Path) -> None:
    state = Net(seed=3).state_dict()
    names = list(state)
    index = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(names)}
    for part in (0, 1):
        write(tmp_path / f"part-{part}.safetensors", {name: state[name] for name in names[part::2]})
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    other = Net(seed=4)
    assert load_weights(other, tmp_path).complete and same(other.state_dict(), state)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../part-0.safetensors"}}))
    with pytest.raises(RunError, match=r"it names '\.\./part-0\.safetensors', which is not beside it"):
        load_weights(other, tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part-7.safetensors"}}))
    with pytest.raises(RunError, match=r"part-7\.safetensors: this file cannot be read\n  why: No such file or directory"):
        load_weights(other, tmp_path)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["TRAP"],)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w"])
@pytest.mark.parametrize("form", ["zip", "legacy", "old", "oldest"])
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAP", str(tmp_path / "ran"))
    path = tmp_path / name
    if form in ("zip", "legacy"):
        torch.save({"a": Trap()}, path, _use_new_zipfile_serialization=form == "zip")
    else:
        path.write_bytes(pickle.dumps({"a": Trap()}, protocol=4 if form == "old" else 0))
    with pytest.raises(
        ConfigError, match=r"this file holds (more|something else) than weights\n  why: .*\n  fix: in a program that"
    ) as caught:
        load_weights(nn.Linear(1, 1), path)
    assert str(path) in str(caught.value) and (form not in ("zip", "legacy") or "mkdir' would have to run" in str(caught.value))
    assert not (tmp_path / "ran").exists()


def test_other_files_are_refused_with_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for content, said in (
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer, not the weights\n  fix: git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page, not weights"),
        (b"", "this file of weights is damaged"),
        (write(path, nn.Linear(4, 4).state_dict()).read_bytes()[:-9], "this file of weights is damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(RunError, match=said):
            load_weights(nn.Linear(4, 4), path)
    (tmp_path / "notes.txt").write_text("weights")
    with pytest.raises(ConfigError, match=r"holds no weights that can be read\n  fix: what can be read: \.safetensors, \.pt, \.npz"):
        load_weights(nn.Linear(4, 4), tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="absent: there are no such weights"):
        load_weights(nn.Linear(4, 4), tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: this folder holds no weights"):
        load_weights(nn.Linear(4, 4), tmp_path / "empty")
    with pytest.raises(ConfigError, match="'a' of these weights is no tensor but int"):
        load_weights(nn.Linear(4, 4), {"a": 3})  # type: ignore[dict-item]


def test_a_scripted_module_is_refused(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 1), torch.ones(1, 2)).save(  # type: ignore[no-untyped-call]
        tmp_path / "w.pt"
    )
    assert kind_of(tmp_path / "w.pt") == "torchscript"
    with pytest.raises(ConfigError, match="a TorchScript program, which is not loaded"):
        load_weights(nn.Linear(2, 1), tmp_path / "w.pt")


def test_urls_are_cached_and_their_sha256_is_checked_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    net = Net(seed=3)
    path = write(tmp_path / "w.safetensors", net.state_dict(), step="12", epoch="3")
    url, digest = path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()
    other = Net(seed=4)
    report = load_weights(other, f"{url}#sha256={digest}")
    assert report.complete and (report.step, report.epoch) == (12, 3) and report.notes == []
    assert same(other.state_dict(), net.state_dict())
    path.unlink()
    assert load_weights(nn.Linear(8, 3), f"{url}:head", digest=digest).complete
    assert load_weights(nn.Linear(8, 3), f"{url}#sha256={digest}:head").complete
    write(path, net.state_dict())
    assert "this one is kept with " in load_weights(other, url).notes[0]
    with pytest.raises(RunError, match=r"these weights cannot be downloaded\n  why: does not have the sha256 that was asked for"):
        load_weights(other, url, digest="0" * 64)
    with pytest.raises(RunError, match="this file has another sha256"):
        load_weights(other, path, digest="0" * 64)
    with pytest.raises(ConfigError, match="'#abc' is no sha256"):
        load_weights(other, f"{url}#abc")
    with pytest.raises(ConfigError, match="a sha256 is that of a file"):
        load_weights(other, tmp_path, digest=digest)


def test_a_url_that_answers_nothing_is_told_with_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    for url, why in (("http://127.0.0.1:1/w.safetensors", "refused"), ((tmp_path / "none.npz").as_uri(), "No such file")):
        with pytest.raises(RunError) as caught:
            load_weights(network(), url, download=True)
        assert (caught.value.what, caught.value.where) == ("these weights cannot be downloaded", url)
        assert why in caught.value.why and "cannot be downloaded" not in caught.value.why
        assert "fetch the file in another way" in caught.value.fix


def test_what_is_no_module_and_no_source_is_named(tmp_path: Path) -> None:
    refused: list[tuple[Any, Any, str]] = [
        (network(), 3, "weights cannot be read from int\n  fix: give a file, a run, a checkpoint, a URL, or a mapping of tensors"),
        (network(), network(), "weights cannot be read from Sequential\n  fix: give its state_dict()"),
        (nn.Linear, {}, "Linear is a class, not a module\n  why: "),
        ({}, {}, "weights cannot be loaded into dict\n  fix: give a torch.nn.Module"),
    ]
    for module, source, said in refused:
        with pytest.raises(ConfigError) as caught:
            load_weights(module, source)
        assert said in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "w"])
def test_what_torch_saved_is_a_source_in_its_old_form_and_in_that_of_today(tmp_path: Path, zipped: bool, name: str) -> None:
    net, path = network(), tmp_path / name
    torch.save({"epoch": 3, "global_step": 12, "state_dict": net.state_dict()}, path, _use_new_zipfile_serialization=zipped)
    other = network(seed=1)
    report = load_weights(other, path)
    assert report.complete and same(other.state_dict(), net.state_dict())
    assert (report.step, report.epoch, report.notes) == (12, 3, ["of the file, state_dict was taken"])


def test_of_several_state_dicts_one_is_chosen_or_a_part_named(tmp_path: Path) -> None:
    first, second, path = network(), network(seed=1), tmp_path / "gan.ckpt"
    torch.save({"generator": first.state_dict(), "critic": second.state_dict(), "optimizer": {"state": {}, "param_groups": []}}, path)
    for source, key in ((f"{path}:critic", ""), (str(path), "critic")):
        net = network(seed=2)
        assert load_weights(net, source, state_dict=key).complete and same(net.state_dict(), second.state_dict())
    torch.save({"nets": {"g": first.state_dict(), "d": second.state_dict()}}, tmp_path / "deep.pt")
    assert load_weights(net, tmp_path / "deep.pt", state_dict="nets.d").complete
    assert load_weights(net, f"{tmp_path}/deep.pt:nets.g").complete and same(net.state_dict(), first.state_dict())
    both = nn.ModuleDict({"generator": network(seed=3), "critic": network(seed=3)})
    assert load_weights(both, path).complete and same(both["generator"].state_dict(), first.state_dict())
    with pytest.raises(ConfigError, match="there is no state dict 'critics' in this file\n  fix: did you mean 'critic'"):
        load_weights(network(), path, state_dict="critics")


def test_a_file_of_torch_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"w\.pt: this file cannot be read"):
        load_weights(network(), path)
