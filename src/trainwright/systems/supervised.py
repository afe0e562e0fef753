"""Encoders → combiner → decoders, one per target: classification and regression of any labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainwright import metrics as measures
from trainwright.config.choice import choose as chosen
from trainwright.config.domains import column_kind
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, PartConfig
from trainwright.config.registry import build
from trainwright.data.transforms.joining import PARTNER, SHARE
from trainwright.engine.following import followers
from trainwright.engine.system import Batch, Loss, StepContext
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.losses.rows import RowLoss
from trainwright.nn.combiners.auto import choose as choose_combiner
from trainwright.nn.combiners.auto import choose_beside_deep, reads_deeply
from trainwright.nn.encoders.auto import choose as choose_encoder
from trainwright.nn.encoders.tied import Tied, one_column
from trainwright.systems.base import System
from trainwright.systems.batch_transforms import SupervisedTransforms
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.parts import announced_shape, make_combiner, make_encoder
from trainwright.systems.readout import answers, join_members, original_units, scores
from trainwright.systems.row_losses import make_loss
from trainwright.systems.supervised_metrics import ROW_WEIGHT, SupervisedMetrics
from trainwright.systems.views import View, as_members, join_at_positions

MAPS = "maps"
"""The part of a batch, beside those of a group, under which the maps that its encoder made are found by a decoder."""
Reading = tuple[nn.Module, list[tuple[str, str]]]
"""An encoder, and the parts it reads with their names in a batch."""


class Head:
    """A target with its decoder and loss: plain references beside the registered modules, whose attribute look-up is slow."""

    def __init__(self, target: TargetSpec, decoder: nn.Module, loss: RowLoss) -> None:
        self.target, self.decoder, self.loss = target, decoder, loss
        self.name, self.weight = target.name, target.weight
        self.truth, self.output, self.encoded = f"target.{target.name}", f"{target.name}.output", f"{target.name}.encoded"
        self.partner = f"{PARTNER}{self.truth}"
        self.reads: str | None = getattr(decoder, "reads", None)
        """The block of the batch that the decoder reads beside the row's vector, where it answers at positions: an array, or the maps that
        an encoder made of a picture."""
        self.scaling: nn.Module | None = None
        """What was fitted after training to the logits of the members' joint answer."""

    def decode(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The outputs of the target."""
        return self.decoder(hidden) if self.reads is None else self.decoder(hidden, batch[self.reads])

    def joint(self, output: Tensor) -> Tensor:
        """The members' joint answer, its logits scaled where that was fitted; the outputs at positions as they are."""
        if self.target.positions:
            return output
        joined = join_members(self.target.kind, output)
        return joined if self.scaling is None else self.scaling(joined)

    def items(self, truth: Tensor) -> int | Tensor:
        """How many rows its loss is over: those with a position that counts, where it is of positions; a scalar on another device."""
        counted = self.loss.counted(truth)
        if counted is None:
            return len(truth)
        return int(counted.sum()) if counted.device.type == "cpu" else counted.sum()

    def total(self, output: Tensor, batch: Batch) -> Tensor:
        """The sum of the loss over rows, each times its weight; of rows that were mixed, of both their truths in their shares."""
        truth = batch[self.truth]
        if ROW_WEIGHT in batch:
            return (self.loss(output, truth) * batch[ROW_WEIGHT]).sum()
        if self.partner not in batch:
            return self.loss.total(output, truth)
        return self.loss.mixed(output, truth, batch[self.partner], batch[SHARE]).sum()


class SupervisedSystem(System):
    """Predicts every target from the encoded groups of inputs; `config` has `combiner` and `encoders` (by kind of column)."""

    Config: ClassVar[type[ConfigModel]] = SupervisedConfig
    own_metrics = False
    instead_of_sampling = "leave it out: this system answers rows, by trainwright predict RUN DATA"

    def build(self, spec: DataSpec) -> None:
        """Makes encoders, combiner, decoders and losses for the groups and targets of `spec`."""
        self.spec = spec
        encoders, self.reads = self._encoders(spec)
        self.encoders = nn.ModuleList(encoders)
        shapes = [announced_shape(encoder) for encoder, _ in self.reads]
        options = self.config.combiner
        self.combiner: Any = make_combiner(options, shapes, spec.rows)
        penalised = getattr(self.combiner, "penalises", False)
        self.heads = [self._head(target) for target in spec.targets]
        self.decoders = nn.ModuleList(head.decoder for head in self.heads)
        self.losses = nn.ModuleList(head.loss for head in self.heads)
        self.mapped = self._mapped(spec)
        self.views: list[View] = []
        self.transform_batches([])
        self.follows_the_run = any(part is not self for _, part in followers(self))
        self.simple = not penalised and len(self.heads) == 1 and self.heads[0].weight == 1.0

    def scale_logits(self, scalings: Mapping[str, nn.Module]) -> None:
        """Put each target's joint answer through this, after training; a target that has none keeps its logits as they are."""
        self.scalings = nn.ModuleList(scalings.values()).to(next(self.parameters()).device)
        for head in self.heads:
            head.scaling = scalings.get(head.name)

    def joint_outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Target → its joint answer `[b, o]`, of targets without positions: logits, or values in encoded units."""
        found = self._outputs(self._ready(batch))
        return {head.name: head.joint(found[head.name]) for head in self.heads if not head.target.positions}

    def look_through(self, views: Sequence[View]) -> None:
        """Answer outside training by the mean over these views of every row; by the row as it is where there are none."""
        self.views = list(views)

    def transform_batches(self, whole: Sequence[PartConfig]) -> None:
        """Do this to whole batches of training rows, after what columns ask for."""
        made = SupervisedTransforms(self.spec, whole)
        self.batch_transforms = made if made.any else None

    def _encoders(self, spec: DataSpec) -> tuple[list[nn.Module], list[Reading]]:
        """The encoders, each once, and for every group which one reads which blocks of a batch."""
        made: dict[str, nn.Module] = {}
        encoders: list[nn.Module] = []
        reads: list[Reading] = []
        for group in spec.inputs:
            single = made.get(group.tied or "")
            if single is None:
                single = self._encoder(one_column(group) if group.tied else group, spec.rows)
                encoders.append(single)
                made |= {group.tied: single} if group.tied else {}
            encoder = Tied(single, len(group.columns)) if group.tied else single
            reads.append((encoder, [(part, f"{group.name}.{part}") for part in group.parts]))
        return encoders, reads

    def _encoder(self, group: InputGroup, rows: int) -> nn.Module:
        options = group.encoder or self.config.encoders.get(group.kind)
        if options is None or options.type == "auto":
            options = choose_encoder(group, self.config.combiner.type, rows)
        return make_encoder(options, group)

    def _mapped(self, spec: DataSpec) -> dict[int, str]:
        """Which encoders' maps a decoder reads, by their number, with the names under which the maps are in a batch."""
        wanted = {head.reads for head in self.heads}
        return {place: key for place, group in enumerate(spec.inputs) if (key := f"{group.name}.{MAPS}") in wanted}

    def _head(self, target: TargetSpec) -> Head:
        usual = column_kind(target.kind)
        loss = target.loss or chosen("loss", usual.loss)
        # one logit says all there is to say of two classes, unless the loss wants one per class
        shaped = replace(target, width=1) if target.kind == "binary" and not getattr(loss, "one_per_class", False) else target
        options = target.decoder or chosen("decoder", usual.decoder)
        if target.positions and options.type in ("linear", "mlp"):
            where, fix = f"columns.{target.name}.decoder", "use positions, or a decoder of your own"
            raise ConfigError(f"decoder '{options.type}' gives one answer a row", where=where, why="the target has one a position", fix=fix)
        decoder = build(
            "decoder",
            options,
            width=self.combiner.width,
            members=getattr(self.combiner, "members", 1),
            target=shaped,
            **({"inputs": self.spec.inputs} if target.positions else {}),
            **({"encoders": self._by_group()} if getattr(options, "reads_maps", False) else {}),
        )
        return Head(target, decoder, make_loss(loss, shaped))

    def _by_group(self) -> dict[str, nn.Module]:
        return {group.name: encoder for group, (encoder, _) in zip(self.spec.inputs, self.reads, strict=True)}

    def encode(self, batch: Batch) -> Tensor:
        """One vector per row `[b, h]`, or per row and member `[b, k, h]`."""
        return self._join(self._ready(batch))

    def _ready(self, batch: Batch) -> Batch:
        """The batch as the network takes it: outside training under what always applies to its columns; maps may be put beside it."""
        ready = batch if self.batch_transforms is None or self.training else self.batch_transforms.always(batch)
        return dict(ready) if self.mapped else ready

    def _join(self, batch: Batch) -> Any:
        return self.combiner([self._encode(batch, place) for place in range(len(self.reads))])

    def _encode(self, batch: Batch, place: int) -> Tensor:
        """The tokens of a group; the maps that they are made of are put into the batch where a decoder reads them."""
        encoder, keys = self.reads[place]
        parts = {part: batch[key] for part, key in keys}
        if place not in self.mapped:
            return encoder(parts)
        maps = batch[self.mapped[place]] = encoder.maps(parts)  # type: ignore[operator]
        tokens: Tensor = encoder.pool_maps(maps, parts)  # type: ignore[operator]
        return tokens

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        """The weighted sum of the targets' losses over rows (mean over members), plus the combiner's penalty where it has one."""
        batch = self._ready(batch)
        hidden = self._join(batch)
        if self.simple:
            return self._single(batch, hidden)
        totals, outputs = [], _weights_of(batch)
        for head in self.heads:
            truth = batch[head.truth]
            output = head.decode(hidden, batch)
            total = head.total(output, batch)
            totals.append(total if head.weight == 1.0 else total * head.weight)
            outputs[head.output], outputs[head.encoded] = output.detach(), truth
        parts = {head.name: total.detach() for head, total in zip(self.heads, totals, strict=True)} if len(totals) > 1 else {}
        penalty = getattr(self.combiner, "penalty", None)
        if penalty is not None:
            totals.append(penalty.sum())
            parts["penalty" if "penalty" not in parts else "combiner penalty"] = totals[-1].detach()
        return Loss(sum(totals[1:], totals[0]), hidden.shape[0], parts, outputs)

    def _single(self, batch: Batch, hidden: Tensor) -> Loss:
        """What `training_step` does for one target of weight 1 and no penalty: the usual case, in as few operations as there are."""
        head = self.heads[0]
        truth, output = batch[head.truth], head.decode(hidden, batch)
        outputs = {head.output: output.detach(), head.encoded: truth}
        return Loss(head.total(output, batch), head.items(truth), {}, outputs | _weights_of(batch) if ROW_WEIGHT in batch else outputs)

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """For every target `<t>.scores`, `<t>.truth` and `<t>.loss`, rows first; see `finish`."""
        batch = self._ready(batch)
        outputs, found = self._outputs(batch), _weights_of(batch)
        for head in self.heads:
            found[head.output], found[head.encoded] = outputs[head.name], batch[head.truth]
        return self.finish(found)

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        """`<t>.scores` of every target: probabilities `[b, c]`, or values in original units; of positions the likeliest class `[b, …]`."""
        found = self._outputs(self._ready(batch))
        return {f"{head.name}.scores": answers(head.target, found[head.name], head.scaling) for head in self.heads}

    def _outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Target → the outputs of its decoder; of several views those of each as members, at positions their joint answer."""
        if not self.views:
            hidden = self._join(batch)
            return {head.name: head.decode(hidden, batch) for head in self.heads}
        found: dict[str, list[Tensor]] = {head.name: [] for head in self.heads}
        for view in self.views:
            seen = view.change(batch)
            hidden = self._join(seen)
            for head in self.heads:
                found[head.name].append(head.decode(hidden, seen))
        return {
            head.name: join_at_positions(self.views, found[head.name]) if head.target.positions else as_members(found[head.name])
            for head in self.heads
        }

    def encodings(self, batch: Batch) -> list[Tensor]:
        """What the encoder of each group gives `[b, tokens, width]`, outside training under what always applies."""
        batch = self._ready(batch)
        return [self._encode(batch, place) for place in range(len(self.reads))]

    def output_of(self, target: str, batch: Batch, encoded: Sequence[Tensor | None]) -> Tensor:
        """The joint answer of a target's decoder, its logits scaled, with the encodings that are given in place of their groups' own."""
        batch = self._ready(batch)
        joined = [self._encode(batch, place) if given is None or place in self.mapped else given for place, given in enumerate(encoded)]
        head = next(each for each in self.heads if each.name == target)
        return head.joint(head.decode(self.combiner(joined), batch))

    def finish(self, outputs: dict[str, Tensor], losses: bool = True) -> dict[str, Tensor]:
        """Raw outputs of decoders → scores, truth in original units and the loss per row of the members' joint answer, where asked for."""
        finished = {key: value for key, value in outputs.items() if not key.endswith((".output", ".encoded"))}
        for head in self.heads:
            if head.output not in outputs:
                continue
            target, encoded = head.target, outputs[head.encoded]
            output = head.joint(outputs[head.output])
            finished[f"{head.name}.scores"] = scores(target, output)
            finished[f"{head.name}.truth"] = original_units(encoded, target.scale) if target.kind in ("number", "vector") else encoded
            if losses:
                finished[f"{head.name}.loss"] = head.loss(output, encoded)
                counted = head.loss.counted(encoded)
                if counted is not None:
                    finished[f"{head.name}.counted"] = counted
        return finished

    def metrics(self, outputs: dict[str, Tensor] | None = None) -> Any:
        """New metrics: `loss` (weighted sum over targets of the mean over rows) and `<target>.<metric>`; of `outputs` their numbers."""
        joint = getattr(self.combiner, "members", 1) > 1 or getattr(self.combiner, "penalises", False)
        made = SupervisedMetrics([head.target for head in self.heads], self.finish, joint)
        if outputs is None:
            return made
        with torch.no_grad():
            made.update(outputs)
            return made.compute()

    def metric_names(self) -> list[str]:
        """The keys that `metrics` returns."""
        names = [
            f"{t.name}.{measures.label(metric)}" for t in self.spec.targets for metric in t.metrics or measures.default_metrics(t.kind)
        ]
        return ["loss", *names]

    def higher_is_better(self, name: str) -> bool:
        """Which way a key of `metrics` is better."""
        return measures.mode(name) == "max"


def _weights_of(batch: Batch) -> dict[str, Tensor]:
    """What the rows of a batch weigh, for what measures them; empty where they count alike."""
    return {ROW_WEIGHT: batch[ROW_WEIGHT]} if ROW_WEIGHT in batch else {}


def resolve_options(config: SupervisedConfig, spec: DataSpec) -> SupervisedConfig:
    """The configuration with what `auto` means for these data: the network stays the same when a later version chooses otherwise."""
    combiner = config.combiner
    if combiner.type == "auto":
        combiner = choose_beside_deep(spec.inputs) if reads_deeply(spec.inputs) else choose_combiner(spec.rows)
    encoders = {kind: options for kind, options in config.encoders.items() if options.type != "auto"}
    for group in spec.inputs:
        if group.kind not in encoders and not column_kind(group.kind).by_column:
            encoders[group.kind] = choose_encoder(group, combiner.type, spec.rows)
    return config.model_copy(update={"combiner": combiner, "encoders": encoders})
