"""What samples are told, as a person gives it: a row by its columns, or a table with a row for each sample in turn."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from trainwright.config.errors import DataError, RequestError, did_you_mean, nearest
from trainwright.data.source import Source
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.drawing import Told
from trainwright.domains.diffusion.given_rows import encode_rows, encoder_of, read_rows
from trainwright.domains.diffusion.layout import Layout, is_placed, piece_of
from trainwright.features.base import Counts, one_array
from trainwright.features.encoding import EncodedTable, TableEncoder

WHERE = "condition"


def read_condition(artifact: Artifact, given: Any, classes: Tensor | None, class_said_by: str = "") -> Told:
    """What the network is told: columns of a mapping, or of a table with a row for each sample in turn, which may have the class too.

    `classes`: those of samples where the rows have none; `class_said_by`: the option that says them, where one does. Raises RequestError
    or DataError for columns that the model does not follow, that lack or that are said twice, and for values that training did not know.
    """
    if given is None:
        return Told(classes)
    label = label_of(artifact)
    if not list_followed(artifact):
        why, fix = "system.condition named none", "leave condition out"
        raise RequestError("this model follows no columns", where=WHERE, why=why, fix=fix)
    if isinstance(given, Mapping):
        ensure_followed(given, list_followed(artifact))
        columns_there(artifact, given)
    source = read_rows(encoder_of(artifact, list_followed(artifact)), given, WHERE)
    there = columns_there(artifact, source.schema.names)
    if label in there and class_said_by:
        fix = f"leave {class_said_by} out, or '{label}' out of the condition"
        raise RequestError(f"the class is said twice: by '{label}' here, and by {class_said_by}", where=WHERE, fix=fix)
    encoder = encoder_of(artifact, there)
    batch, encoded = encode_rows(encoder, source, WHERE)
    ensure_known_values(encoder, source, encoded)
    numbers, beside = told_of(artifact, encoder, batch)
    return Told(class_of(encoder, batch, label) if label in there else classes, numbers, beside)


def label_of(artifact: Artifact) -> str:
    """The column that is the class; empty where the model has none."""
    label = artifact.system.layout.label
    return "" if label is None else label.name


def list_followed(artifact: Artifact) -> list[str]:
    """Every column that says which one is made, the class first."""
    return [*filter(None, [label_of(artifact)]), *artifact.told]


def ensure_followed(given: Mapping[Any, Any], columns: Sequence[str]) -> None:
    """Raise RequestError for a column of one row that the model does not follow: in a table others may stand beside."""
    strange = next((name for name in given if name not in columns), None)
    if strange is not None:
        what, why = f"this model does not follow '{strange}'", f"it follows {', '.join(columns)}"
        raise RequestError(what, where=WHERE, why=why, fix=did_you_mean(str(strange), columns))


def columns_there(artifact: Artifact, names: Collection[str]) -> list[str]:
    """The columns of rows that are told. Raises DataError unless it is all of them, or the class alone, or all but the class."""
    there = [name for name in list_followed(artifact) if name in names]
    lacking = [name for name in artifact.told if name not in names]
    if there and (not lacking or there == [label_of(artifact)]):
        return there
    lacking = lacking or list_followed(artifact)
    others = [name for name in names if name not in there]
    close = {name: found for name in lacking if (found := nearest(name, others))}
    guesses = ", ".join(f"'{found}' for '{name}'" for name, found in close.items())
    row = ", ".join(f"{name}: …" for name in artifact.told or lacking)
    what = f"it lacks {', '.join(map(repr, lacking))}"
    why = "the model was told them together in training, or none of them"
    raise DataError(what, where=WHERE, why=why if artifact.told else "", fix=f"did you mean {guesses}?" if guesses else f"give {{{row}}}")


def ensure_known_values(encoder: TableEncoder, source: Source, encoded: EncodedTable) -> None:
    """Raise DataError for a class or a category that training did not know: what it would make is of none that it knows."""
    name = next((name for name, counts in encoded.counts.items() if counts.unknown), None)
    if name is None:
        return
    row, value = find_unknown(encoder, source, name)
    known = [str(each) for each in getattr(encoder.features[name], "classes", ())]
    place = f" ({encoder.features[name].place(row)})" if len(source) > 1 else ""
    why = f"the model was trained with {shown_names(known)}"
    raise DataError(f"there is no {name} {value!r}{place}", where=WHERE, why=why, fix=did_you_mean(str(value), known))


def find_unknown(encoder: TableEncoder, source: Source, name: str) -> tuple[int, Any]:
    """The first row of a column with a value that training did not know, and that value."""
    row = 0
    for table in source.batches([name]):
        values = one_array(table[name])
        for at in range(len(values)):
            counts = Counts()
            encoder.features[name].encode(values[at : at + 1], np.array([row]), counts)
            if counts.unknown:
                return row, values[at].as_py()
            row += 1
    return row, ""


def shown_names(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    return ", ".join(names[:8]) + (f" … ({len(names)} in all)" if len(names) > 8 else "")


def class_of(encoder: TableEncoder, batch: Mapping[str, Tensor], label: str) -> Tensor:
    """The numbers of the classes of rows (int64, m), of the column that was a target in training and is read as an input here."""
    piece = next(each for group in encoder.spec.inputs if (each := piece_of(group, [label])) is not None)
    if "index" in piece.group.parts:
        return piece.take(batch, "index").reshape(-1).long() - 1  # 0 is for those that are not known
    return (piece.take(batch, "value").reshape(-1) > 0).long()


def told_of(artifact: Artifact, encoder: TableEncoder, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """Numbers (m, k) and arrays (m, channels, …) of the columns of rows that are told beside the class."""
    layout = artifact.system.layout
    pieces = [each for group in encoder.spec.inputs if (each := piece_of(group, artifact.told)) is not None]
    placed = [each for each in pieces if is_placed(each)]
    alone = Layout(layout.made, layout.shape, None, [each for each in pieces if not is_placed(each)], placed)
    return alone.read_told(batch), alone.read_beside(batch)
