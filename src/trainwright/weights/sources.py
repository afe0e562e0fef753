"""Where weights can come from: a file, a URL, a checkpoint, a run, or a mapping; each gives tensors by name and its place in training."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.checkpoint.manifest import MANIFEST, Damaged, read_manifest
from trainwright.checkpoint.names import FOLDER, rank_of
from trainwright.checkpoint.pointers import follow_pointer
from trainwright.checkpoint.store import Checkpoint, verify_checkpoint
from trainwright.config.errors import ConfigError, RunError
from trainwright.config.received import read_mapping, refuse_links
from trainwright.config.trust import ask
from trainwright.files.download import fetch_cached, normal_digest, place_in_cache, sha256_of
from trainwright.runs.directory import FOLDERS, resolve
from trainwright.runs.results import read_results
from trainwright.weights.dcp import is_dcp, read_dcp
from trainwright.weights.files import READ, read_weights_file
from trainwright.weights.folders import architecture_in, weights_file_in
from trainwright.weights.hubs import find_weights, hub_name
from trainwright.weights.state_dicts import take_state_dict

SYSTEM, AVERAGED, AVERAGES, STATE = "system.safetensors", "evaluated.safetensors", "averages.safetensors", "trainer.json"
"""Files of a checkpoint: the weights as they are trained, those averaged ones that are evaluated instead, the other averages, and
everything else."""
SUBMODULE = re.compile(r"\w+(\.\w+)*")
FRAGMENT = re.compile(r"sha256=([0-9a-fA-F]{64})(?::(\w+(?:\.\w+)*))?")


@dataclass(frozen=True)
class Weights:
    """Tensors by the names they have in their source, on the CPU, and what the source says about them."""

    where: str
    tensors: dict[str, Tensor]
    step: int | None = None
    epoch: int | None = None
    notes: list[str] = field(default_factory=list)
    architecture: str = ""
    """What the source says they are of."""


WeightSource = str | os.PathLike[str] | Mapping[str, Tensor] | Weights


def split_source(source: str) -> tuple[str, str]:
    """`path:submodule` in its two parts; a drive (`C:\\x`), a port and the colon of a URL are no such mark."""
    head, colon, tail = source.rpartition(":")
    if not colon or not SUBMODULE.fullmatch(tail):
        return source, ""
    if "://" in source:
        return (head, tail) if "/" in head.partition("://")[2] else (source, "")
    if Path(source).exists() or (len(head) == 1 and not Path(head).exists()):
        return source, ""
    return head, tail


def read_weights(
    source: WeightSource, digest: str | None = None, averaged: bool = True, *, state_dict: str = "", download: bool = False
) -> tuple[Weights, str]:
    """The weights that `source` names, and the submodule it asks for; `averaged` takes a checkpoint's averages where it has some.

    `state_dict` chooses one of several in a file; `download` allows a name on a hub, or an address without a sha256, to be fetched. Raises
    ConfigError when there is no such source or reading it would run code, RunError when it is damaged or a download fails.
    """
    if isinstance(source, Weights):
        return source, ""
    if isinstance(source, Mapping):
        return Weights("the mapping given", _tensors_of(source)), ""
    if not isinstance(source, str | os.PathLike):
        fix = (
            "give its state_dict()" if hasattr(source, "state_dict") else "give a file, a run, a checkpoint, a URL, or a mapping of tensors"
        )
        raise ConfigError(f"weights cannot be read from {type(source).__name__}", where="load_weights", fix=fix)
    text = os.fspath(source)
    if "://" in text:
        return _from_url(text, digest, state_dict, download)
    place, submodule = split_source(text)
    path, notes = follow_pointer(Path(place).expanduser()), []
    name = None if path.exists() else hub_name(place)
    if name is not None:
        hit = find_weights(name, download)
        path, notes = hit.path, [hit.note]
    if path.is_file():
        _check_digest(path, digest)
        found = _from_file(path, state_dict)
        return (found if name is None else replace(found, where=str(name), notes=[*notes, *found.notes])), submodule
    if digest:
        raise ConfigError("a sha256 is that of a file", where=place, fix="name the file, or leave the sha256 out")
    return _from_folder(path, place, averaged, state_dict), submodule


def _tensors_of(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    wrong = next((name for name, value in given.items() if not isinstance(value, Tensor)), None)
    if wrong is not None:
        kind = type(given[wrong]).__name__
        raise ConfigError(f"'{wrong}' of these weights is no tensor but {kind}", fix="give a module's state_dict()")
    return dict(given)


def _from_url(text: str, digest: str | None, state_dict: str, download: bool) -> tuple[Weights, str]:
    url, digest, submodule = _split_url(text, digest)
    ask(url, f"fetch {url}")
    if not download:
        refuse_connection(text, digest)
    path = _download(url, digest)
    tensors, metadata, notes = read_weights_file(path, state_dict)
    if not digest:
        notes.append(f"the file at this address may change; this one is kept with {url}#sha256={sha256_of(path)}")
    return Weights(url, tensors, _number(metadata, "step"), _number(metadata, "epoch"), notes), submodule


def _split_url(text: str, digest: str | None) -> tuple[str, str | None, str]:
    """`URL#sha256=…:submodule` in its parts; a `digest` given beside it counts first."""
    url, mark, fragment = text.partition("#")
    stated = FRAGMENT.fullmatch(fragment)
    if mark and not stated:
        raise ConfigError(f"'#{fragment}' is no sha256", where=url, fix="write URL#sha256=<64 hexadecimal digits>")
    digest, submodule = digest or (stated[1] if stated else None), (stated[2] or "") if stated else ""
    return (url, digest, submodule) if submodule else (split_source(url)[0], digest, split_source(url)[1])


def refuse_connection(text: str, digest: str | None = None) -> None:
    """Raises ConfigError for an address that only a connection can answer, and that says no sha256; files and the cache need none."""
    url, digest, submodule = _split_url(text, digest)
    if digest or url.lower().startswith("file:") or place_in_cache(url).is_file():
        return
    whole = f"{url}#sha256=<64 hexadecimal digits>{submodule and ':'}{submodule}"
    why = "nothing is downloaded unless that is allowed, and what an address gives may change"
    fix = f"say which file is meant ({whole}), or allow whatever is there (weights: {{source: {text}, download: true}})"
    raise ConfigError("an address of weights says no sha256", where=url, why=why, fix=fix)


def _download(url: str, digest: str | None) -> Path:
    try:
        return fetch_cached(url, digest)
    except OSError as error:
        why = str(error).removeprefix(f"{url} ").removeprefix("cannot be downloaded: ")
        fix = "fetch the file in another way and name it here, or give an address that answers"
        raise RunError("these weights cannot be downloaded", where=url, why=why, fix=fix) from error


def _check_digest(path: Path, digest: str | None) -> None:
    wanted = normal_digest(digest)
    if wanted and (found := sha256_of(path)) != wanted:
        raise RunError("this file has another sha256", where=str(path), why=f"it is {found}, not {wanted}", fix="copy or download it again")


def _from_file(path: Path, state_dict: str = "") -> Weights:
    rank = rank_of(path.name)
    if rank is not None and (path.parent / MANIFEST).is_file():
        why = f"it holds the parts of tensors that rank {rank} had"
        raise ConfigError("this file is a part of a checkpoint", where=str(path), why=why, fix=f"name the whole: {path.parent}")
    tensors, metadata, notes = read_weights_file(path, state_dict)
    step, epoch = _number(metadata, "step"), _number(metadata, "epoch")
    if path.name in (SYSTEM, AVERAGED) and (path.parent / MANIFEST).is_file():
        step, epoch = position(path.parent)
    return Weights(str(path), tensors, step, epoch, notes, architecture_in(path.parent))


def _from_folder(path: Path, place: str, averaged: bool, state_dict: str) -> Weights:
    if (path / MANIFEST).is_file():
        return _from_checkpoint(path, averaged)
    if (path / "run.json").is_file():
        return _from_run(path, averaged)
    if is_dcp(path):
        return _from_dcp(path, state_dict)
    file = weights_file_in(path)
    if file is not None:
        return _from_file(file, state_dict)
    chosen = _newest(path)
    if chosen is not None:
        return _from_checkpoint(chosen, averaged)
    try:
        return _from_run(resolve(path)[0], averaged)
    except RunError as error:
        what = "this folder holds no weights" if path.is_dir() else "there are no such weights"
        raise ConfigError(what, where=place, fix=f"what can be read: {READ}; of a hub: timm/NAME, hf/ORG/NAME") from error


def open_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, every file of it found whole; raises RunError for a damaged one."""
    refuse_links(folder, FOLDERS)
    try:
        return verify_checkpoint(folder)
    except Damaged as damage:
        fix = "use another checkpoint of the run, or restore it from a copy"
        raise RunError("this checkpoint is damaged", where=str(folder), why=str(damage), fix=fix) from damage


def _from_checkpoint(folder: Path, averaged: bool) -> Weights:
    checkpoint = open_checkpoint(folder)
    if not checkpoint.has(SYSTEM):
        raise RunError("this checkpoint holds no weights", where=str(folder), why=f"it has no {SYSTEM}", fix="use another one")
    tensors, notes = dict(checkpoint.tensors(SYSTEM)), []
    if averaged and checkpoint.has(AVERAGED):
        tensors.update(checkpoint.tensors(AVERAGED))
        notes.append("the averaged weights were taken, as they are evaluated")
    return Weights(str(folder), tensors, *position(folder), notes)


def has_averages(checkpoint: str) -> bool:
    """Whether a checkpoint holds averaged weights beside those that were trained."""
    return (follow_pointer(Path(checkpoint)) / AVERAGED).is_file()


def _from_dcp(path: Path, state_dict: str) -> Weights:
    """The model of a directory of torch.distributed.checkpoint."""
    key, tensors, _ = take_state_dict(read_dcp(path), state_dict)
    return Weights(str(path), tensors, notes=[f"of the directory, {key} was taken"] if key else [])


def _from_run(path: Path, averaged: bool) -> Weights:
    """The model that a run shipped; before it has one, its best checkpoint, or its last."""
    refuse_links(path, FOLDERS)
    file = weights_file_in(path / "model")
    if file is not None:
        tensors, _, _ = read_weights_file(file)
        return Weights(str(path), tensors, *_find_shipped(path), [f"of the run, {file.relative_to(path)} was taken"])
    checkpoints = path / "checkpoints"
    named = [follow_pointer(checkpoints / name) for name in ("best", "last")]
    chosen = next((each for each in named if (each / MANIFEST).is_file()), None) or _newest(checkpoints)
    if chosen is None:
        raise RunError("this run has no weights yet", where=str(path), why="it has no model and no checkpoint", fix="continue it first")
    found = _from_checkpoint(chosen, averaged)
    return Weights(str(path), found.tensors, found.step, found.epoch, [f"of the run, {chosen.name} was taken", *found.notes])


def _newest(folder: Path) -> Path | None:
    """The checkpoint of the latest step in a folder of them."""
    if not folder.is_dir():
        return None
    found = [each for each in folder.iterdir() if FOLDER.fullmatch(each.name) and (each / MANIFEST).is_file()]
    return max(found, key=lambda each: (each.name.partition("-")[2], each.name), default=None)


def position(folder: Path) -> tuple[int | None, int | None]:
    """The step of a checkpoint and the whole epochs done by then; None where it does not say."""
    try:
        step = read_manifest(folder).step
        return step, _epoch(read_mapping(folder / STATE))
    except FileNotFoundError:
        return step, None
    except (Damaged, RunError):
        return None, None


def _epoch(state: Mapping[str, Any]) -> int | None:
    plan, extent, tick = state.get("plan") or {}, state.get("extent") or [0], state.get("tick")
    try:
        return int(plan.get("first_epoch", 0) + (tick - plan.get("first_tick", 0)) // extent[0])
    except (TypeError, ZeroDivisionError, AttributeError, IndexError, KeyError):  # one of another version, or not ours
        return None


def _find_shipped(run: Path) -> tuple[int | None, int | None]:
    """The step of the weights that a run shipped, and its epoch when a checkpoint of that step is there."""
    results = read_results(run) or {}
    best = (results.get("best") or {}).get("step")
    step = best if best is not None else (results.get("realised") or {}).get("steps")
    if step is None:
        return None, None
    epochs = [position(each)[1] for each in sorted((run / "checkpoints").glob(f"*-{step:08d}")) if not each.is_symlink()]
    return step, next((each for each in epochs if each is not None), None)


def _number(metadata: Mapping[str, str], name: str) -> int | None:
    text = metadata.get(name, "")
    return int(text) if text.isdigit() else None
