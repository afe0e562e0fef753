"""Weights by their names on hubs: found in the caches of a machine as the hubs' own libraries lay them out, fetched only when allowed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.weights.hubs import HubName, hub_name
from trainwright.weights.loading import check_source, load_weights
from trainwright.weights.options import WeightsOptions

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any cache."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TORCH_HOME", "TRAINWRIGHT_WEIGHTS", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "own"))
    return tmp_path


def cached(hub: Path, repository: str, commit: str = COMMIT, ref: str = "main") -> Path:
    """A snapshot as huggingface_hub keeps it: refs, blobs, and links from the snapshot to the blobs."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    if ref:
        (folder / "refs" / ref).write_text(commit)
    (folder / "blobs").mkdir(exist_ok=True)
    (folder / "snapshots" / commit).mkdir(parents=True)
    return folder / "snapshots" / commit


def put(snapshot: Path, name: str, net: nn.Module) -> None:
    """A file of a snapshot: a link to its blob."""
    blob = snapshot.parents[1] / "blobs" / f"{snapshot.name[:6]}-{name}".replace("/", "-")
    if name.endswith(".safetensors"):
        save_file(net.state_dict(), blob)
    else:
        torch.save(net.state_dict(), blob)
    (snapshot / name).parent.mkdir(exist_ok=True)
    (snapshot / name).symlink_to(blob)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("timm/resnet18.a1_in1k", HubName("timm", "timm/resnet18.a1_in1k")),
        ("hf/google/vit-base", HubName("hf", "google/vit-base")),
        ("hf/org/pipe/unet@fp16", HubName("hf", "org/pipe", "unet", "fp16")),
        ("runs/first", None),
        ("net.safetensors", None),
    ],
)
def test_names_on_hubs_are_told_from_paths(text: str, name: HubName | None) -> None:
    assert hub_name(text) == name and (name is None or str(name) == text)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("name", ["timm/resnet18.a1_in1k", "timm/resnet18", "hf/timm/resnet18.a1_in1k"])
def test_a_snapshot_of_the_cache_is_read_by_its_name(home: Path, name: str, file: str) -> None:
    net, other = network(), network(seed=1)
    put(cached(home / "hf" / "hub", "timm/resnet18.a1_in1k"), file, net)
    if name == "hf/timm/resnet18.a1_in1k" or name.startswith("timm/"):
        report = load_weights(other, name)
        assert same(net, other) and report.source == name
        assert "timm/resnet18.a1_in1k, revision 0123456789ab, found in the cache" in report.notes[0]


def test_a_revision_a_folder_and_a_part_can_be_named(home: Path) -> None:
    hub = home / "hf" / "hub"
    nets = [network(seed) for seed in range(3)]
    first, second = cached(hub, "org/pipe"), cached(hub, "org/pipe", "fedcba" + COMMIT[6:], ref="old")
    put(first, "unet/diffusion_pytorch_model.safetensors", nets[0])
    put(second, "unet/diffusion_pytorch_model.safetensors", nets[1])
    for name, net in (("hf/org/pipe/unet", nets[0]), ("hf/org/pipe/unet@old", nets[1]), ("hf/org/pipe/unet@fedcba", nets[1])):
        other = network(seed=7)
        load_weights(other, name)
        assert same(other, net)
    head = nn.Linear(4, 2)
    load_weights(head, "hf/org/pipe/unet:2")
    assert torch.equal(head.weight, nets[0][2].weight)  # type: ignore[index]
    with pytest.raises(ConfigError, match="no abc there"):
        load_weights(network(), "hf/org/pipe/unet@abc")


def test_without_a_main_the_newest_snapshot_is_taken_and_said(home: Path) -> None:
    put(cached(home / "hf" / "hub", "org/net", ref=""), "model.safetensors", network())
    report = load_weights(network(seed=1), "hf/org/net")
    assert "the newest that is there" in report.notes[0]


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_pieces_of_a_large_model_are_one_source(home: Path, ending: str) -> None:
    snapshot, net = cached(home / "hf" / "hub", "org/large"), network()
    stem = "model" if ending == ".safetensors" else "pytorch_model"
    pieces = {f"{stem}-0000{number + 1}-of-00002{ending}": dict(list(net.state_dict().items())[2 * number :][:2]) for number in (0, 1)}
    for file, tensors in pieces.items():
        save_file(tensors, snapshot / file) if ending == ".safetensors" else torch.save(tensors, snapshot / file)
    index = {"weight_map": {name: file for file, tensors in pieces.items() for name in tensors}}
    (snapshot / f"{stem}{ending}.index.json").write_text(json.dumps(index))
    other = network(seed=1)
    load_weights(other, "hf/org/large")
    assert same(net, other)


def test_torch_hubs_cache_and_a_folder_of_ones_own_are_looked_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, net, other = home / "cache" / "torch" / "hub" / "checkpoints", network(), network(seed=1)
    hub.mkdir(parents=True)
    torch.save(net.state_dict(), hub / "resnet18_a1_0-d63eafa0.pth")
    torch.save(network(seed=5).state_dict(), hub / "resnet18d_ra2-48a79e06.pth")  # another model
    report = load_weights(other, "timm/resnet18")
    assert same(net, other) and "torch hub's cache" in report.notes[0]
    monkeypatch.setenv("TRAINWRIGHT_WEIGHTS", str(home / "mine"))
    (home / "mine" / "timm").mkdir(parents=True)
    save_file(network(seed=3).state_dict(), home / "mine" / "timm" / "resnet18.safetensors")
    report = load_weights(other, "timm/resnet18")
    assert same(network(seed=3), other) and "your own folder" in report.notes[0]


def test_what_is_not_there_says_where_it_was_looked_for_and_the_nearest_name(home: Path) -> None:
    put(cached(home / "hf" / "hub", "timm/resnet18.a1_in1k"), "model.safetensors", network())
    with pytest.raises(ConfigError) as caught:
        load_weights(network(), "timm/resnet18.a2_in1k")
    said = str(caught.value)
    assert "the weights of timm/resnet18.a2_in1k are not on this machine" in said
    assert "use timm/resnet18.a1_in1k, which is there" in said and "download: true" in said
    for place in ("hf/hub/models--timm--resnet18.a2_in1k (not there)", "torch/hub/checkpoints", "TRAINWRIGHT_WEIGHTS", "own/hub"):
        assert place in said
    (cached(home / "hf" / "hub", "org/half") / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"it has config.json, and no weights"):
        load_weights(network(), "hf/org/half")


def test_a_name_that_several_have_is_asked_back(home: Path) -> None:
    for tag in ("a1_in1k", "tv_in1k"):
        put(cached(home / "hf" / "hub", f"timm/resnet18.{tag}"), "model.safetensors", network())
    with pytest.raises(ConfigError, match=r"several weights go by the name timm/resnet18\n  why: there are timm/resnet18.a1_in1k.*tv_in1k"):
        load_weights(network(), "timm/resnet18")


def test_half_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'hf/bert' is no whole name on a hub"):
        load_weights(network(), "hf/bert")


class Quiet(SimpleHTTPRequestHandler):
    """A hub that says nothing on the terminal, and keeps what it was asked for."""

    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *arguments: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with the addresses of the hub."""
    (home / "server").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(home / "server")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield home / "server"
    server.shutdown()
    server.server_close()


def test_a_name_is_fetched_when_that_is_allowed_and_found_the_next_time(hub: Path) -> None:
    net, other = network(), network(seed=1)
    folder = hub / "org" / "net" / "resolve" / "main"
    folder.mkdir(parents=True)
    names = list(net.state_dict())
    for number, keys in enumerate((names[:2], names[2:])):
        save_file({key: net.state_dict()[key] for key in keys}, folder / f"model-{number}.safetensors")
    index = {"weight_map": {name: f"model-{place // 2}.safetensors" for place, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match="are not on this machine"):
        load_weights(other, "hf/org/net")
    report = load_weights(other, "hf/org/net", download=True)
    assert same(net, other) and "downloaded from" in report.notes[0]
    again = network(seed=2)
    assert same(net, again) is False and "found in the cache" in load_weights(again, "hf/org/net").notes[0] and same(net, again)


def test_an_address_is_asked_only_for_a_sha256_or_where_that_is_allowed(hub: Path) -> None:
    net, url, said = network(), f"{os.environ['HF_ENDPOINT']}/net.safetensors", []
    save_file(net.state_dict(), hub / "net.safetensors")
    digest = hashlib.sha256((hub / "net.safetensors").read_bytes()).hexdigest()
    Quiet.asked.clear()
    refused = [lambda: load_weights(network(), url), lambda: load_weights(network(), f"{url}:0"), lambda: check(url)]
    for each in refused:
        with pytest.raises(ConfigError, match="an address of weights says no sha256") as caught:
            each()
        said.append(caught.value)
    check(f"{url}#sha256={digest}")
    check(url, download=True)
    assert Quiet.asked == []
    assert f"{url}#sha256=<64 hexadecimal digits>)" in said[0].fix and f"{{source: {url}, download: true}}" in said[0].fix
    assert f"{url}#sha256=<64 hexadecimal digits>:0)" in said[1].fix
    named = network(seed=1)
    assert load_weights(named, f"{url}#sha256={digest}").notes == [] and same(net, named) and len(Quiet.asked) == 1
    allowed = network(seed=2)
    assert f"{url}#sha256={digest}" in load_weights(allowed, url, download=True).notes[0] and same(net, allowed) and len(Quiet.asked) == 2
    assert load_weights(network(seed=3), url).complete and len(Quiet.asked) == 2  # from the cache, as a name on a hub
    with pytest.raises(RunError, match="does not have the sha256 that was asked for"):
        load_weights(network(), f"{url}#sha256={'0' * 64}")


def check(source: str, download: bool = False) -> None:
    """What `trainwright validate` asks of weights."""
    check_source(WeightsOptions(source=source, download=download))


def test_a_name_that_the_hub_does_not_have_or_may_not_give_is_told(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="hf/org/none has no file of weights"):
        load_weights(network(), "hf/org/none", download=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="is not downloaded\n  why: HF_HUB_OFFLINE is set"):
        load_weights(network(), "hf/org/none", download=True)


def test_models_of_transformers_are_read_as_they_save_themselves(home: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    small = transformers.BertConfig(vocab_size=50, max_position_embeddings=32, **sizes)
    source = transformers.BertForMaskedLM(small)
    source.save_pretrained(cached(home / "hf" / "hub", "org/bert"), max_shard_size="4KB")
    assert len(list((home / "hf/hub/models--org--bert/snapshots" / COMMIT).glob("*.safetensors"))) > 1
    trunk = transformers.BertModel(small, add_pooling_layer=False)
    report = load_weights(trunk, "hf/org/bert", partial=True)
    assert not report.missing and "'bert.' was taken off the names in the source" in report.notes
    words = trunk.embeddings.word_embeddings.weight
    assert torch.equal(words, source.bert.embeddings.word_embeddings.weight) and report.architecture == "BertForMaskedLM"
    larger = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=60, max_position_embeddings=64, **sizes))
    assert sorted(load_weights(larger, "hf/org/bert", partial=True).adapted) == [
        "bert.embeddings.position_embeddings.weight: 32 positions there, 64 here: interpolated (linear)",
        "bert.embeddings.word_embeddings.weight: 50 rows there, 60 here: the last 10 keep their first values",
        "cls.predictions.bias: 50 rows there, 60 here: the last 10 keep their first values",
    ]
    with pytest.raises(ConfigError, match="another architecture\n  why: they say to be of BertForMaskedLM; 0 of 26 tensors fit"):
        load_weights(nn.LSTM(3, 3, 3), "hf/org/bert", partial=True)
