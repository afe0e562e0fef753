"""A table as arrays: columns fitted on the training rows, all rows encoded in a second pass, and the same for new tables later."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.choice import choose
from trainwright.config.errors import DataError, RequestError, RunError
from trainwright.config.registry import build, load
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.expressions.selection import Selection
from trainwright.data.number_source import NumberSource
from trainwright.data.source import Source
from trainwright.data.source_piece import SourcePiece
from trainwright.data.sources import MEMORY_LIMIT
from trainwright.data.window_options import WindowConfig
from trainwright.features.absent_columns import refuse_absent
from trainwright.features.base import Counts, Feature, PartLayout, one_array
from trainwright.features.blocks import FileBlocks, MemoryBlocks, block_bytes
from trainwright.features.cutting import cut_columns, describe_windows
from trainwright.features.dropped import Dropped, nothing_left
from trainwright.features.encoding_jobs import column_jobs, observe
from trainwright.features.faults import explain_faults
from trainwright.features.followed import describe_columns, ensure_pairs
from trainwright.features.groups import group_layout, tie_of
from trainwright.features.lazy import LazyFeature, References
from trainwright.features.options import FeatureConfig
from trainwright.features.reading import AsTrained, Reading, decimal_of
from trainwright.features.row_weights import ROW_WEIGHT, in_mean_of, weight_block
from trainwright.features.selecting import select_again
from trainwright.features.shared_files import describe_shared
from trainwright.features.spec import DataSpec, InputGroup
from trainwright.features.standing_in import later_source, stand_in
from trainwright.features.versions import FORMATS, format_of
from trainwright.features.workers import Workers

log = logging.getLogger(__name__)


class Divided(Protocol):
    """Source row numbers of the training, validation and test rows."""

    @property
    def train(self) -> np.ndarray: ...
    @property
    def validation(self) -> np.ndarray: ...
    @property
    def test(self) -> np.ndarray: ...


@dataclass
class EncodedTable:
    """Encoded rows, in the order of the source: a batch is `{key: block[positions]}`."""

    encoder: TableEncoder
    blocks: dict[str, np.ndarray]
    """`"<group>.<part>"` and `"target.<name>"`, first axis rows."""
    rows: np.ndarray
    """The source row number of each encoded row, ascending."""
    dropped: list[Dropped]
    references: dict[str, References]
    """What the rows of lazy columns are decoded from, by group or `"target.<name>"`."""
    counts: dict[str, Counts]
    """Missing and unknown values of each column, over the encoded rows."""
    extra_columns: list[str]
    """Columns of the source that training did not know."""
    train: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions of the training rows in the blocks."""
    validation: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    test: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    storage: Any = None
    """Keeps a temporary folder of mapped blocks alive."""

    @classmethod
    def fit(
        cls,
        source: Source,
        split: Divided,
        columns: Mapping[str, FeatureConfig],
        inputs: Sequence[str],
        targets: Sequence[str],
        *,
        tied: Mapping[str, Sequence[str]] | None = None,
        window: WindowConfig | None = None,
        memory_limit: int | None = None,
        directory: Path | None = None,
        seed: int = 0,
        weights: str = "",
    ) -> EncodedTable:
        """Fits every column on the training rows, then encodes the rows of all splits; `seed` is the run's.

        `weights`: the column that says how much rows count, in the mean of those of training. Raises DataError, ManyErrors or ConfigError.
        """
        encoder = TableEncoder(columns, inputs, targets, tied or {}, seed)
        encoder.cut(window)
        encoder.weights = weights
        encoder.fit(source, split.train)
        chosen = np.concatenate([split.train, split.validation, split.test])
        encoded = encoder.encode(source, chosen, targets=True, memory_limit=memory_limit, directory=directory, train=split.train)
        encoded.say_invalid()
        encoded.train, encoded.validation, encoded.test = map(encoded.positions, (split.train, split.validation, split.test))
        if weights:
            encoded.blocks[ROW_WEIGHT] = in_mean_of(encoded.blocks[ROW_WEIGHT], encoded.train, weights)
        return encoded

    @property
    def spec(self) -> DataSpec:
        """What a system needs to build its modules."""
        return self.encoder.spec

    def say_files(self) -> None:
        """Logs which files cannot be read, and how rows are cut into windows, where they are."""
        lazy = [feature for feature in self.encoder.features.values() if isinstance(feature, LazyFeature)]
        for note in [note for feature in lazy for note in feature.remarks()] + describe_windows(self):
            log.info("note: %s", note)

    def say_invalid(self) -> None:
        """Logs how many values of each column cannot be read and count as missing."""
        for name, counts in self.counts.items():
            if counts.invalid:
                feature = self.encoder.features[name]
                log.info("note: column '%s': %s values %s and count as missing", name, f"{counts.invalid:,}", feature.counts_as)

    def notes(self) -> list[str]:
        """What a reader should know of how columns were fitted, how rows are cut, and which files are in two splits."""
        fitted = [note for feature in self.encoder.features.values() for note in feature.notes()]
        return fitted + describe_windows(self) + describe_shared(self)

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Where source rows are in the blocks, in the order given; rows that were dropped are left out."""
        at = np.searchsorted(self.rows, rows)
        found = at < len(self.rows)
        found[found] = self.rows[at[found]] == rows[found]
        return at[found].astype(np.int64)


class TableEncoder:
    """The columns of a table, fitted: encodes any table with the same columns, and is kept as plain JSON."""

    def __init__(
        self,
        columns: Mapping[str, FeatureConfig],
        inputs: Sequence[str],
        targets: Sequence[str],
        tied: Mapping[str, Sequence[str]],
        seed: int = 0,
    ) -> None:
        self.targets = list(targets)
        self.inputs = [name for name in inputs if columns[name].type != "ignore" and name not in self.targets]
        self.tied = {name: list(members) for name, members in tied.items()}
        self.ties = tie_of(self.inputs, self.tied, {name: columns[name].type for name in self.inputs})
        self.features: dict[str, Feature] = {}
        for name in [*self.inputs, *self.targets]:
            self.features[name] = build("feature", columns[name], name=name, target=name in self.targets)
            self.features[name].seed = seed
        self.known: list[str] = []
        self.reading: Reading | None = None
        """How the training table was read; None in models written before it was kept."""
        self.selection: Selection | None = None
        """Which rows of a table count, and which of its columns are made of others; as in training."""
        self.window: WindowConfig | None = None
        """How long rows are cut into samples."""
        self.weights = ""  # the column that says how much rows count where they are measured
        self.training_rows = 0
        if not self.inputs:
            raise DataError("no input columns are left", fix="name some with `inputs`, or give the columns you need a type")

    # fitting

    def fit(self, source: Source, train: np.ndarray) -> Self:
        """Fits every column on the rows numbered `train`, less those that a policy drops; raises all that is wrong with the columns."""
        self.check_columns(source, self.features)
        self.known = list(source.schema.names)
        self.selection = source.selection if isinstance(source, SelectedSource) else None
        self.reading = Reading.of(source, [name for name in self.features if name not in self.derived])
        self.messages_from(source)
        try:
            return self.fit_rows(source, train)
        except RequestError as error:
            raise explain_faults(error, self.features, source, train) from error

    def fit_rows(self, source: Source, train: np.ndarray) -> Self:
        """Fits every column in one pass, and makes the groups and the spec."""
        fitted = self.fitting_units()
        with Workers() as workers:
            for table, rows in self.keep_batches(source, train, list(self.features)):
                self.training_rows += len(rows)
                if self.reading is not None:
                    self.reading.observe(table)
                workers.each(lambda unit, table=table, rows=rows: observe(unit, table, rows), fitted, len(rows))  # type: ignore[misc]
            if not self.training_rows:
                raise nothing_left(source, self.features)
            workers.each(lambda unit: unit[0].finish(), fitted, self.training_rows)
        for shared, names in fitted:
            self.share(shared, names)
        Workers().each(lambda name: self.features[name].check_target(), self.targets, 0)
        self.describe()
        return self

    def fitting_units(self) -> list[tuple[Feature, list[str]]]:
        """What is fitted together: each column alone, tied columns as one."""
        units: dict[str, list[str]] = {}
        for name in self.features:
            units.setdefault(f"tied {self.ties[name]}" if name in self.ties else f"column {name}", []).append(name)
        return [(self.features[names[0]], names) for names in units.values()]

    def share(self, shared: Feature, names: list[str]) -> None:
        """Gives the state fitted on tied columns to each of them."""
        for name in names[1:]:
            self.features[name] = type(shared).restore(self.features[name].config, name, shared.state())
        shared.name = names[0]

    def describe(self) -> None:
        """Makes the groups and the spec from the fitted columns."""
        self.groups, targets = describe_columns(self.features, self.inputs, self.targets, self.ties)
        self.spec = DataSpec(self.groups, targets, self.training_rows)

    def cut(self, window: WindowConfig | None) -> None:
        """Cut rows of a column into windows, from before it is fitted. Raises ConfigError where that column cannot be cut."""
        self.window = cut_columns(window, self.features, self.inputs, self.targets)

    # encoding

    def encode(
        self,
        source: Source,
        rows: np.ndarray | None = None,
        *,
        targets: bool | None = None,
        memory_limit: int | None = None,
        directory: Path | None = None,
        train: np.ndarray | None = None,
    ) -> EncodedTable:
        """Encodes the source rows numbered `rows` (all when None), in source order, in one pass of bounded memory.

        `targets`: True needs them, False leaves them out, None takes those the source has. Blocks above `memory_limit` bytes are files
        in `directory` (a temporary one when None). `train`: the rows that were just fitted on, for errors. Raises DataError or ManyErrors.
        """
        there, known = set(source.schema.names), set(self.known)
        wanted = [name for name in self.targets if targets or (targets is None and name in there)]
        self.check_columns(source, [*self.inputs, *wanted])
        self.messages_from(source)
        layout = self.layout(wanted)
        count = len(source) if rows is None else len(rows)
        in_files = memory_limit is not None and block_bytes(layout, count) > memory_limit
        blocks = FileBlocks(layout, directory) if in_files else MemoryBlocks(layout, count)
        counts = {name: Counts() for name in [*self.inputs, *wanted]}
        references: dict[str, list[References]] = {group.name: [] for group in self.lazy_groups()}
        references |= {f"target.{name}": [] for name in wanted if self.features[name].lazy}
        dropped, kept = dict[str, list[np.ndarray]](), list[np.ndarray]()
        jobs = column_jobs(self.features, self.groups, wanted, counts, references)
        try:
            with Workers() as workers:
                for table, numbers in self.keep_batches(source, rows, [*self.inputs, *wanted], dropped):
                    piece = blocks.piece(len(numbers))
                    workers.each(lambda job, t=table, n=numbers, p=piece: job(t, n, p), jobs, len(numbers))  # type: ignore[misc]
                    blocks.commit(piece, len(numbers))
                    kept.append(numbers)
        except RequestError as error:
            raise explain_faults(error, {name: self.features[name] for name in [*self.inputs, *wanted]}, source, train) from error
        numbers = np.concatenate(kept) if kept else np.empty(0, np.int64)
        found = blocks.finish() | weight_block(source, self.weights if wanted else "", numbers)
        return EncodedTable(
            encoder=self,
            blocks=found,
            rows=numbers,
            dropped=[self.describe_dropped(name, numbers) for name, numbers in dropped.items()],
            references=ensure_pairs(self.features, self.groups, wanted, references, numbers),
            counts=counts,
            extra_columns=[name for name in source.schema.names if name not in known],
            storage=blocks,
        )

    def encode_inputs(self, data: Any, *, memory_limit: int | None = None, directory: Path | None = None) -> EncodedTable:
        """Encodes new rows without targets; takes what `read` takes."""
        return self.encode(self.read(data), targets=False, memory_limit=memory_limit, directory=directory)

    def read(self, data: Any, memory_limit: int = MEMORY_LIMIT) -> Source:
        """New rows (a source, table, DataFrame, mapping or path), each value read as training read it; raises DataError."""
        form, options = (self.reading.form, self.reading.options) if self.reading else (None, {})
        inputs = self.selection.columns_under(self.inputs) if self.selection else self.inputs
        source = stand_in(later_source(data, form, inputs, options, memory_limit), self.inputs, self.targets, self.features)
        if self.reading and self.reading.numbers:
            source = NumberSource(source, self.reading.numbers, decimal_of(source, form), keep_text=True)
        if self.selection:
            source = select_again(self, source, self.selection)
        return AsTrained(source, self.reading, self.features) if self.reading else source

    @property
    def derived(self) -> list[str]:
        """Names of the columns that are derived from others."""
        return list(self.selection.derived) if self.selection else []

    def layout(self, targets: Iterable[str]) -> dict[str, PartLayout]:
        """Every block: its row shape and dtype; lazy columns have none."""
        blocks = {
            key: part
            for group in self.groups
            if group not in self.lazy_groups()
            for key, part in group_layout(group, self.features).items()
        }
        return blocks | {f"target.{name}": self.features[name].target_layout() for name in targets if not self.features[name].lazy}

    def lazy_groups(self) -> list[InputGroup]:
        """The groups of columns that are decoded batch by batch."""
        return [group for group in self.groups if self.features[group.columns[0]].lazy]

    def keep_batches(
        self, source: Source, rows: np.ndarray | None, columns: list[str], dropped: dict[str, list[np.ndarray]] | None = None
    ) -> Iterator[tuple[pa.Table, np.ndarray]]:
        """Batches of the chosen rows less those that a policy drops, with their row numbers; notes what was dropped and why."""
        chosen, first = None, source.first if isinstance(source, SourcePiece) else 0
        if rows is not None:
            chosen = np.zeros(first + len(source), bool)
            chosen[rows] = True
        droppers = [name for name in columns if self.features[name].drops]
        start = first
        for batch in source.batches(columns):
            numbers = np.arange(start, start + batch.num_rows)
            keep = np.ones(batch.num_rows, bool) if chosen is None else chosen[start : start + batch.num_rows].copy()
            start += batch.num_rows
            for name in droppers:
                drop = self.features[name].dropped(one_array(batch[name]), numbers)
                if drop is not None and (drop & keep).any():
                    if dropped is not None:
                        dropped.setdefault(name, []).append(numbers[drop & keep])
                    keep &= ~drop
            if keep.all():
                yield batch, numbers
            elif keep.any():
                yield pc.filter(batch, pa.array(keep)), numbers[keep]

    def describe_dropped(self, name: str, rows: list[np.ndarray]) -> Dropped:
        """The rows one column dropped, with the reason in words."""
        role = "target" if name in self.targets else "column"
        return Dropped(name, f"{self.features[name].lacking} in {role} '{name}'", np.concatenate(rows))

    def messages_from(self, source: Source) -> None:
        """Makes columns name rows as the source does (with the line in the file, where known)."""
        place = getattr(source, "place", None)
        for feature in self.features.values() if not isinstance(source, SourcePiece) else ():  # which was done for the whole of it
            feature.place = feature.place if place is None else place
            feature.read_from(source)

    def check_columns(self, source: Source, needed: Iterable[str]) -> None:
        """Raises DataError naming the columns that the source lacks, with near names that training did not know, or what is needed."""
        refuse_absent(source, needed, self.known, self.selection, self.reading.folders if self.reading else ())

    # the artifact

    def state(self) -> dict[str, Any]:
        """Everything fitted, as plain JSON."""
        return {
            "format": format_of(self),
            "inputs": self.inputs,
            "targets": self.targets,
            "tied": self.tied,
            "known": self.known,
            "reading": self.reading.state() if self.reading else None,
            "training_rows": self.training_rows,
            **({"selection": self.selection.state()} if self.selection else {}),
            **({"weights": self.weights} if self.weights else {}),
            **({"window": self.window.model_dump(mode="json")} if self.window else {}),
            "columns": {
                name: {"config": feature.config.model_dump(mode="json"), "state": feature.state()}
                for name, feature in self.features.items()
            },
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> TableEncoder:
        """The encoder that `state` describes; raises RunError when a newer version wrote it, TypeError for what no version wrote."""
        if not isinstance(state, dict) or not isinstance(state.get("tied"), dict):
            raise TypeError("features.json holds no fitted columns")
        if state.get("format") not in FORMATS:
            raise RunError(
                f"the fitted columns have format {state.get('format')}, this version reads {FORMATS[-1]}",
                fix="install the trainwright that wrote them",
            )
        configs = {name: choose("feature", column["config"]) for name, column in state["columns"].items()}
        encoder = cls(configs, state["inputs"], state["targets"], state["tied"])
        encoder.known, encoder.training_rows = state["known"], state["training_rows"]
        encoder.reading = Reading.restore(state["reading"]) if state.get("reading") else None
        encoder.selection = Selection.restore(state["selection"]) if state.get("selection") else None
        encoder.weights = str(state.get("weights", ""))
        encoder.window = WindowConfig.model_validate(state["window"]) if state.get("window") else None
        for name, column in state["columns"].items():
            kind = load("feature", configs[name].type)
            encoder.features[name] = kind.restore(configs[name], name, column["state"], name in encoder.targets)
        encoder.cut(encoder.window)
        encoder.describe()
        return encoder
