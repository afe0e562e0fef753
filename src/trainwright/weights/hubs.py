"""Weights by their name on a hub (`timm/NAME`, `hf/ORG/NAME`): found in this machine's caches, downloaded only where that was allowed."""

from __future__ import annotations

import json
import logging
import os
import re
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainwright.config.errors import ConfigError, RunError, nearest
from trainwright.config.trust import ask
from trainwright.files.download import cache_folder, download_file
from trainwright.weights.folders import NAMES, weights_file_in

log = logging.getLogger("trainwright.weights")

NAME = re.compile(r"(timm|hf)/([\w.-]+(?:/[\w.-]+)*)(?:@([\w./-]+))?")
OWN_FOLDER = "TRAINWRIGHT_WEIGHTS"
"""The variable that names a folder of weights kept by hand: `<folder>/<name>`, a folder or a file."""
HASHED = r"(?:[_-][\w.-]*)?-[0-9a-f]{8,}\.(?:pth|pt|safetensors)"
"""What follows a model's name in torch hub's cache: a tag, the first digits of the file's sha256, an ending."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".npz")


@dataclass(frozen=True)
class HubName:
    """A name on a hub: `hf/ORG/NAME/FOLDER@REVISION`, `timm/NAME`."""

    family: str
    repository: str
    """As the hub has it: ORG/NAME, of a timm model `timm/NAME`."""
    folder: str = ""
    """Below it, as diffusers keeps the parts of a pipeline (`unet`)."""
    revision: str = ""

    def __str__(self) -> str:
        name = self.repository if self.family == "timm" else f"hf/{self.repository}"
        return name + (f"/{self.folder}" if self.folder else "") + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Hit:
    """A file that has the weights of a name, and what is to be said of where it was."""

    path: Path
    note: str


def hub_name(text: str) -> HubName | None:
    """The name on a hub that a text is; None where it begins as none. Raises ConfigError for half a name."""
    family = text.partition("/")[0]
    if family not in ("timm", "hf"):
        return None
    found = NAME.fullmatch(text)
    parts = found[2].split("/") if found else []
    if not found or (family == "hf" and len(parts) < 2):
        fix = "hf/ORG/NAME, timm/NAME, perhaps with @REVISION; a folder of that name is meant by ./ before it"
        raise ConfigError(f"'{text}' is no whole name on a hub", where="weights", fix=fix)
    if family == "timm":
        return HubName(family, f"timm/{parts[0]}", "/".join(parts[1:]), found[3] or "")
    return HubName(family, "/".join(parts[:2]), "/".join(parts[2:]), found[3] or "")


def find_weights(name: HubName, download: bool = False) -> Hit:
    """The file with the weights of a name: in the first cache that has it, or downloaded where `download` allows it.

    Raises ConfigError saying where it was looked for and the nearest name that is there, RunError where a download fails.
    """
    looked: list[str] = []
    for hits in (_in_own_folder(name, looked), _in_hub_caches(name, looked), _in_torch_hub(name, looked)):
        found = list(hits)
        if len(found) > 1:
            why = f"there are {', '.join(each.note for each in found[:5])}"
            raise ConfigError(f"several weights go by the name {name}", where="weights", why=why, fix="name one of them")
        if found:
            return found[0]
    if download:
        return _downloaded(name)
    close = nearest(str(name), known_names())
    there = f"use {close}, which is there; or " if close else ""
    fix = f"{there}allow it to be fetched (weights: {{source: {name}, download: true}}), or put the file into a folder and name that"
    why = f"nothing is downloaded unless that is allowed; looked in {'; '.join(looked)}"
    raise ConfigError(f"the weights of {name} are not on this machine", where="weights", why=why, fix=fix)


def hub_folders() -> list[Path]:
    """Folders in the layout of Hugging Face's cache: Hugging Face's own, and ours, which downloads go to."""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    return [Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub"), cache_folder() / "hub"]


def torch_hub_folder() -> Path:
    """The folder that torch.hub and older timm download to."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return Path(home) / "hub" / "checkpoints"


def known_names() -> list[str]:
    """Names that the caches in Hugging Face's layout hold."""
    found = [each.name.split("--", 2)[1:] for folder in hub_folders() if folder.is_dir() for each in folder.glob("models--*--*")]
    return sorted({f"timm/{name}" if org == "timm" else f"hf/{org}/{name}" for org, name in found})


def _in_own_folder(name: HubName, looked: list[str]) -> Iterator[Hit]:
    named = os.environ.get(OWN_FOLDER)
    if not named:
        looked.append(f"no folder of your own (${OWN_FOLDER} is not set)")
        return
    for form in dict.fromkeys((name.repository, name.repository.partition("/")[2])):
        at = Path(named).expanduser() / form / name.folder
        beside = [at.with_name(at.name + suffix) for suffix in SUFFIXES]
        path = next((each for each in (at, *beside) if each.is_file()), None) or weights_file_in(at)
        if path is not None:
            yield Hit(path, f"found in your own folder: {path}")
            return
    looked.append(f"{named} (${OWN_FOLDER})")


def _in_hub_caches(name: HubName, looked: list[str]) -> Iterator[Hit]:
    org, _, model = name.repository.partition("/")
    for folder in hub_folders():
        exact = folder / f"models--{org}--{model}"
        tagged = sorted(folder.glob(f"models--{org}--{model}.*")) if name.family == "timm" else []
        there = [exact] if exact.is_dir() else [each for each in tagged if each.is_dir()]
        hits = [hit for each in there if (hit := _in_repository(each, name, looked)) is not None]
        if not there:
            looked.append(f"{exact} (not there)")
        yield from hits
        if hits:
            return


def _in_repository(folder: Path, name: HubName, looked: list[str]) -> Hit | None:
    snapshot, which = _snapshot(folder, name.revision)
    if snapshot is None:
        looked.append(f"{folder} (no {name.revision or 'snapshot'} there)")
        return None
    path = weights_file_in(snapshot / name.folder)
    if path is None:
        there = ", ".join(sorted(each.name for each in snapshot.iterdir())[:4]) or "nothing"
        looked.append(f"{snapshot / name.folder} (it has {there}, and no weights)")
        return None
    return Hit(path, f"{folder.name.removeprefix('models--').replace('--', '/')}, {which}, found in the cache: {path}")


def _snapshot(folder: Path, revision: str) -> tuple[Path | None, str]:
    """The folder of a revision (`main` unless another is named), and which it is in words; without a `main`, the newest there is."""
    snapshots = [each for each in (folder / "snapshots").glob("*") if each.is_dir()]
    ref = folder / "refs" / (revision or "main")
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    chosen = [each for each in snapshots if commit and each.name.startswith(commit)]
    if len(chosen) == 1:
        return chosen[0], f"revision {chosen[0].name[:12]}"
    if revision or not snapshots:
        return None, ""
    newest = max(snapshots, key=lambda each: (each.stat().st_mtime, each.name))
    return newest, f"revision {newest.name[:12]}, the newest that is there"


def _in_torch_hub(name: HubName, looked: list[str]) -> Iterator[Hit]:
    folder, model = torch_hub_folder(), name.repository.partition("/")[2]
    if name.family != "timm":
        return
    bare, _, tag = model.partition(".")
    pattern = re.compile(re.escape(bare) + (rf"[_-]{re.escape(tag)}" if tag else "") + HASHED)
    found = sorted(each for each in folder.glob(f"{bare}*") if pattern.fullmatch(each.name))
    if not found:
        looked.append(f"{folder} ({'nothing by that name' if folder.is_dir() else 'not there'})")
    for each in found:
        yield Hit(each, f"found in torch hub's cache: {each}")


def _downloaded(name: HubName) -> Hit:
    """The file, fetched from the hub into our cache, in the layout in which it is found the next time."""
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise ConfigError(f"{name} is not downloaded", where="weights", why="HF_HUB_OFFLINE is set", fix="unset it, or name a file")
    ask(str(name), f"fetch {name}")
    revision = name.revision or "main"
    base = f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/{name.repository}/resolve/{revision}"
    folder = cache_folder() / "hub" / f"models--{name.repository.replace('/', '--')}" / "snapshots" / revision.replace("/", "-")
    below = f"{name.folder}/" if name.folder else ""
    for file in NAMES:
        path = _fetch(f"{base}/{below}{file}", folder / name.folder / file)
        if path is not None:
            for piece in _pieces(path):
                if _fetch(f"{base}/{below}{piece}", path.with_name(piece)) is None:
                    raise RunError(f"{piece} of {name} is not on the hub", where=base, why=f"{file} names it", fix="name another revision")
            return Hit(path, f"downloaded from {base}/{below}{file}; the hub may change what '{revision}' is, a commit stays")
    why = f"none of {', '.join(NAMES[:4])}, … is at {base}/{below}"
    fix = "look whether the name is right, or name the address of the file: https://…#sha256=…"
    raise RunError(f"{name} has no file of weights", where="weights", why=why, fix=fix)


def _fetch(url: str, path: Path) -> Path | None:
    """The file at `path`, downloaded; None where the hub has none of that name. Raises RunError for any other failure."""
    try:
        return download_file(path, url)
    except OSError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
            return None
        fix = "look at the network, at the name (a private one answers 401), or fetch the file in another way and name it"
        raise RunError("these weights cannot be downloaded", where=url, why=str(error).removeprefix(f"{url} "), fix=fix) from error


def _pieces(path: Path) -> list[str]:
    """The files that an index names; nothing for a file that is none."""
    if not path.name.endswith(".index.json"):
        return []
    try:
        named = json.loads(path.read_text(encoding="utf-8")).get("weight_map", {})
        pieces = sorted({str(each) for each in named.values()})
    except (ValueError, AttributeError) as error:
        raise RunError("this index of weights is damaged", where=str(path), why=str(error), fix="download it again") from error
    return [each for each in pieces if Path(each).name == each]
