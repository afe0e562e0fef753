"""The description of a model in its file: how a host reads each column, and what the numbers that the graph gives stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import RunError
from trainwright.data.spelling import key_of
from trainwright.features.reading import Reading

KEY = "trainwright"
"""The entry of a model's metadata that holds it."""
FORMAT = 1
RE_EXPORT = "export the run again: trainwright export RUN --to onnx"


@dataclass(frozen=True)
class Column:
    """An input column, as the description has it; what `Feature` is to training."""

    name: str
    kind: str
    given: Mapping[str, Any]
    dtype: str = ""
    """Of the graph's input: `string` where the graph has the table of words itself."""

    def known_values(self) -> list[str]:
        """The words of training that later ones are compared with."""
        return list(self.given.get("table", {}).get("exact", {}))

    @property
    def policy(self) -> str:
        """What happens where a value is missing: `drop` and `error` are the host's, all else the graph's."""
        return str(self.given.get("policy", "auto"))

    def option(self, name: str, default: Any = None) -> Any:
        """What the description says under a name."""
        found = self.given.get(name)
        return default if found is None else found


@dataclass(frozen=True)
class Description:
    """What is known of a model beside its graph."""

    name: str
    digest: str
    columns: dict[str, Column]
    targets: dict[str, dict[str, Any]]
    reading: Reading | None = None
    more: dict[str, Any] = field(default_factory=dict)
    """All that the file says."""

    @property
    def targets_are_columns(self) -> bool:
        """Whether predictions are of columns, rather than what a system of one's own gives."""
        return all("prediction" in each for each in self.targets.values())

    @property
    def independent(self) -> bool:
        """Whether an answer to a row is the same whatever rows come with it; ranges of dynamic int8 are of a whole batch."""
        int8 = self.more.get("int8")
        return not (isinstance(int8, dict) and int8.get("answers_depend_on_batch"))


def read_description(metadata: Mapping[str, str], dtypes: Mapping[str, str], where: str) -> Description:
    """The description in a model's metadata; `dtypes` are those of the graph's inputs. Raises RunError for none, or a damaged one."""
    if KEY not in metadata:
        why = "it does not say how rows are read, nor what its outputs mean"
        raise RunError("this model was not exported by Trainwright", where=where, why=why, fix=RE_EXPORT)
    try:
        found = json.loads(metadata[KEY])
        version = found["format"]
        read = _read(found, dtypes) if version == FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError, RunError) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunError("the description in the model is damaged", where=where, why=why, fix=RE_EXPORT) from error
    if read is None:
        why = f"its description has the format {version}, and this version reads {FORMAT}"
        raise RunError("the model is from another version of Trainwright", where=where, why=why, fix=RE_EXPORT)
    return read


def _read(found: Mapping[str, Any], dtypes: Mapping[str, str]) -> Description:
    columns = {name: _column(name, each, dtypes) for name, each in found["inputs"].items()}
    reading = Reading.restore(found["reading"]) if found.get("reading") else None
    targets = {name: dict(each) for name, each in found["targets"].items()}
    return Description(str(found.get("name", "")), str(found.get("digest", "")), columns, targets, reading, dict(found))


def _column(name: str, given: Mapping[str, Any], dtypes: Mapping[str, str]) -> Column:
    key_of(given.get("table", {}).get("join", ()))
    return Column(name, str(given["type"]), dict(given), dtypes.get(name, str(given.get("dtype", ""))))
