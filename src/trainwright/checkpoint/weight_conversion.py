"""From an old pickle of weights to safetensors, without running what is in it."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.checkpoint.snapshot import key_of
from trainwright.checkpoint.weight_files import kind_of
from trainwright.config.errors import ConfigError, RunError, did_you_mean
from trainwright.config.received import ensure_right, name_refusal
from trainwright.files.outputs import ensure_output, write_output
from trainwright.files.tensors import NAMES, save_tensors

USUAL = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Keys under which programs keep the state dict, the likeliest first."""
STEPS, EPOCHS = ("global_step", "step", "steps", "iteration"), ("epoch", "epochs")
REFUSED = re.compile(r"(?:GLOBAL|global) ([\w.]+)")
PROGRAM = "in a program that you trust: torch.save(model.state_dict(), 'weights.pt'); then convert that file"


@dataclass
class Conversion:
    """What was taken from an old file, and what was left in it."""

    key: str
    """Where the state dict was, with dots; empty when it was the file itself."""
    tensors: dict[str, Tensor]
    """The tensors that were written."""
    left: dict[str, str] = field(default_factory=dict)
    """What was not written → what it is."""
    tied: list[str] = field(default_factory=list)
    """Tensors that shared memory with another, written as copies."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Step and epoch, where the file says them."""

    @property
    def bytes(self) -> int:
        """Bytes of the tensors."""
        return sum(each.numel() * each.element_size() for each in self.tensors.values())


def convert_weights(old: Path, new: Path, key: str = "", force: bool = False) -> Conversion:
    """Read the state dict of a .pt, .pth, .ckpt or .bin file and write it to `new` as safetensors, whole or not at all.

    Raises ConfigError when the file holds more than data (nothing of it is run), has no state dict or several, or `new` is taken;
    RunError when it is damaged; RequestError when `new` is `old`, lies in a run, or cannot be written.
    """
    if new.suffix != ".safetensors":
        raise ConfigError(f"'{new.name}' does not end in .safetensors", fix=f"name it {new.with_suffix('.safetensors')}")
    ensure_output(new, old, where="NEW", make_folders=True)
    if new.exists() and not force:
        raise ConfigError("this file is there already", where=str(new), fix="choose another name, or add --force to replace it")
    content = read_pickle(old)
    at, state = choose_state_dict(content, key, old)
    found = Conversion(at, {name: value for name, value in flat(state) if isinstance(value, Tensor)}, metadata=_position(content))
    found.left = _list_rest(content, at) | {name: _kind(value) for name, value in flat(state) if not isinstance(value, Tensor)}
    _refuse_strange(found.tensors, old)
    _write(new, found)
    return found


def read_pickle(path: Path) -> Any:
    """What is in the file, read by a reader that knows tensors and plain values only. Raises ConfigError or RunError."""
    if not path.is_file():
        raise ConfigError("there is no such file", where=str(path), fix="name a .pt, .pth, .ckpt or .bin file")
    try:
        kind = kind_of(path)
    except OSError as error:
        raise name_refusal(error, path) from error
    if kind in ("safetensors", "npz", "npy"):
        raise ConfigError(f"this file is {kind} already", where=str(path), fix="load it as it is: it needs no conversion")
    if kind == "torchscript":
        why, fix = "it is a TorchScript program: code, not data", PROGRAM.replace("model", "torch.jit.load(FILE)")
        raise ConfigError("this file holds more than weights", where=str(path), why=why, fix=fix)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open(path, "rb") as file:  # by its name torch.load would take `w.safetensors` for what it is called
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        ensure_right(error, path)
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError("this file cannot be read", where=str(path), why=why, fix="copy or download it again") from error


def _refusal(path: Path, text: str) -> ConfigError:
    named = REFUSED.search(text)
    if named is None:
        why = "it is no file that torch.save wrote, or it holds objects that are no data"
        return ConfigError("this file holds something else than weights", where=str(path), why=why, fix=PROGRAM)
    why = f"to read it, '{named[1]}' would have to run, and that may be anything"
    return ConfigError("this file holds more than weights", where=str(path), why=why, fix=PROGRAM)


def choose_state_dict(content: Any, key: str, where: Path) -> tuple[str, Mapping[str, Any]]:
    """The state dict in a file's content and its key; raises ConfigError when there is none, or several and no key says which."""
    if isinstance(content, Tensor):
        content = {"tensor": content}
    found = dict(_states(content))
    if key:
        if key not in found:
            raise ConfigError(f"there is no state dict '{key}' in this file", where=str(where), fix=_choices(content, found, key))
        return key, found[key]
    usual = [each for each in USUAL if each in found]
    if not usual and "" in found:
        return "", found[""]
    inner = usual[:1] or list(found)
    if len(inner) == 1:
        return inner[0], found[inner[0]]
    what = "this file holds several state dicts" if found else "this file holds no state dict"
    why = ", ".join(f"{name} ({len(list(flat(each)))} entries)" for name, each in found.items()) or f"it is {_kind(content)}"
    raise ConfigError(what, where=str(where), why=why, fix=f"choose one: --key {inner[0]}" if found else PROGRAM)


def _choices(content: Any, found: Mapping[str, Any], key: str) -> str:
    names = [each for each in found if each]
    return did_you_mean(key, names) if names else "leave --key out: the file itself is the state dict" if "" in found else PROGRAM


def _states(content: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings with tensors by name in them, and their keys; optimizers' states are none."""
    if not isinstance(content, Mapping) or {"state", "param_groups"} <= content.keys():
        return
    tensors = any(isinstance(value, Tensor) for value in content.values())
    if tensors or (depth and content and all(isinstance(each, Mapping) and dict(_states(each)) for each in content.values())):
        yield at, content
    if depth < 2:
        for name, value in content.items():
            yield from _states(value, f"{at}.{name}" if at else str(name), depth + 1)


def flat(state: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a state dict, those of mappings inside it joined with dots."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _list_rest(content: Any, at: str) -> dict[str, str]:
    """What beside the state dict is in the file."""
    if not at or not isinstance(content, Mapping):
        return {}
    first, _, rest = at.partition(".")
    left = {str(name): _kind(value) for name, value in content.items() if str(name) != first}
    inner = _list_rest(content[first], rest) if rest else {}
    return left | {f"{first}.{name}": kind for name, kind in inner.items()}


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        if {"state", "param_groups"} <= value.keys():
            return "an optimizer's state"
        count = sum(isinstance(each, Tensor) for _, each in flat(value))
        return f"{count} tensors" if count else f"a mapping of {len(value)}"
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return repr(value)[:40] if isinstance(value, (int, float, str, bool)) or value is None else type(value).__name__


def _position(content: Any) -> dict[str, str]:
    if not isinstance(content, Mapping):
        return {}
    found = {}
    for word, keys in (("step", STEPS), ("epoch", EPOCHS)):
        value = next((content[key] for key in keys if isinstance(content.get(key), int)), None)
        if value is not None and value >= 0:
            found[word] = str(int(value))
    return found


def _refuse_strange(tensors: Mapping[str, Tensor], where: Path) -> None:
    for name, tensor in tensors.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
            kind = f"{'quantised' if tensor.is_quantized else str(tensor.layout).removeprefix('torch.')} {kind}"
        elif tensor.dtype in NAMES:
            continue
        raise ConfigError(
            f"'{name}' is {kind}, which safetensors cannot hold", where=str(where), fix="save it as a dense tensor of numbers"
        )


def _write(path: Path, found: Conversion) -> None:
    """Write the tensors beside `path`, then rename; each gets memory of its own."""
    seen: set[Any] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in found.tensors.items():
        shared = tensor.untyped_storage().data_ptr() if tensor.numel() else key_of(tensor)
        if tensor.numel() and shared in seen:
            found.tied.append(name)
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        own = tensor.numel() and shared not in seen and whole
        apart[name] = tensor.detach().resolve_conj().resolve_neg().contiguous() if own else tensor.detach().clone().contiguous()
        seen.add(shared)
    with write_output(path, where="NEW", make_folders=True) as temporary:
        save_tensors(temporary, apart, {"format": "pt", **found.metadata})
