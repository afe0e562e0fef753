"""Inspections beside torchinfo's numbers, and of models that are hard to look at."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torchinfo
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from trainwright.api.inspect import inspect
from trainwright.config.errors import ConfigError
from trainwright.files.inspection.layers import Flow, FlowNode, LayerRow
from trainwright.files.inspection.record import Inspection, find_rows, table
from trainwright.nn.untouched import untouched
from trainwright.report.network.folding import close_below, fold
from trainwright.report.network.layout import lay_out
from trainwright.report.network.picture import picture
from trainwright.report.network.repeats import fold_blocks
from trainwright.tools.graph import Graph


class Residual(nn.Module):
    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


class ResNet(nn.Module):
    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.blocks = nn.Sequential(*(Residual() for _ in range(depth)))
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(image)).mean((2, 3)))


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 10, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        return self.head(out[:, -1])


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 50, bias=False), nn.ReLU(), nn.Linear(50, 5))


def cnn() -> nn.Module:
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    made = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, groups=4), nn.BatchNorm2d(32), *tail)
    made[0].requires_grad_(False)
    return made


def encoder() -> nn.TransformerEncoder:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 3, enable_nested_tensor=False)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (7, 20)),
    "cnn with batch norm": (cnn, (4, 3, 32, 32)),
    "residual": (ResNet, (4, 3, 16, 16)),
    "lstm": (Tagger, (4, 12, 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_are_torchinfos(name: str) -> None:
    make, shape = NETWORKS[name]
    model, x = make(), torch.randn(shape)
    theirs = torchinfo.summary(model, input_data=x, verbose=0)
    ours = inspect(model, x).totals
    assert ours.parameters == theirs.total_params
    assert ours.trainable == theirs.trainable_params
    assert ours.mult_adds == theirs.total_mult_adds
    assert ours.forward_backward_bytes == theirs.total_output_bytes
    assert ours.parameter_bytes == theirs.total_param_bytes
    assert 0 <= theirs.total_input - ours.input_bytes <= 128  # what Python adds to a storage
    assert ours.megabytes()["forward_backward"] == theirs.to_megabytes(theirs.total_output_bytes)
    assert ours.megabytes()["parameters"] == theirs.to_megabytes(theirs.total_param_bytes)
    rows = {row.path: row for row in inspect(model, x).rows}
    for layer in theirs.summary_list[1:]:
        path = next(path for path, module in model.named_modules() if module is layer.module)
        assert rows[path].shapes[0] == list(layer.output_size)
        assert rows[path].parameters == layer.num_params
        if layer.is_leaf_layer:
            assert rows[path].mult_adds == layer.macs


def test_of_a_transformer_torchinfo_leaves_out_attention_and_all_positions_but_the_first() -> None:
    model, x = encoder(), torch.randn(4, 9, 32)
    theirs, ours = torchinfo.summary(model, input_data=x, verbose=0), inspect(model, x).totals
    assert (ours.parameters, ours.trainable) == (theirs.total_params, theirs.trainable_params)
    assert ours.forward_backward_bytes == theirs.total_output_bytes
    batch, steps, width, inner, layers = 4, 9, 32, 64, 3
    linear = inner * (width + 1) + width * (inner + 1)
    attention = 4 * steps * (width * width + width) + 2 * steps * steps * width
    assert theirs.total_mult_adds == layers * batch * (linear + 2 * 2 * width)
    assert ours.mult_adds == layers * batch * (steps * linear + 2 * 2 * width + attention)
    held = sum(each.numel() for layer in model.layers for each in layer.self_attn.parameters())
    assert ours.parameter_bytes - theirs.total_param_bytes == 4 * held


def test_a_module_of_ones_own_costs_what_the_functions_in_it_cost() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Parameter(torch.randn(24, 8))

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = nn.functional.linear(x, self.qkv).chunk(3, -1)
            return torch.softmax(q @ k.transpose(-1, -2), -1) @ v

    found = inspect(Attention(), torch.randn(2, 5, 8))
    assert found.totals.mult_adds == 2 * 5 * 8 * 24 + 2 * (2 * 5 * 5 * 8)
    fused = nn.MultiheadAttention(8, 2, batch_first=True, bias=False)
    x = torch.randn(2, 5, 8)
    assert inspect(fused, (x, x, x)).totals.mult_adds == 2 * (5 * 4 * 64 + 2 * 5 * 5 * 8)


def test_a_transposed_convolution_and_an_embedding_cost_what_they_do() -> None:
    assert inspect(nn.ConvTranspose2d(4, 6, 2, stride=2), torch.randn(2, 4, 5, 5)).totals.mult_adds == 2 * 25 * 4 * 6 * 4 + 2 * 6 * 100
    assert inspect(nn.Embedding(100, 8), torch.zeros(3, 4, dtype=torch.long)).totals.mult_adds == 0
    assert inspect(nn.Conv2d(3, 3, 3), torch.randn(3, 8, 8)).totals.mult_adds == 36 * 84  # one sample, without a batch


def test_the_model_and_the_world_are_left_as_they_were() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4, track_running_stats=True)
            self.register_buffer("seen", torch.zeros(1))
            self.norm.eval()

        def forward(self, x: Tensor) -> Tensor:
            self.seen += 1
            np.random.rand()
            return self.norm(x + torch.rand_like(x))

    model = Noisy().train()
    model.norm.eval()
    held, hooks = model.seen, []
    model.norm.register_forward_hook(lambda *_: hooks.append(1))
    x = torch.randn(3, 4).requires_grad_()
    before = (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist())
    inspect(model, x)
    assert before == (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist())
    assert model.seen is held and held.item() == 0
    assert model.training and not model.norm.training
    assert all(each.grad is None for each in model.parameters())
    assert [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in model.modules()] == [0, 1]
    assert hooks == [1]


def test_pythons_random_numbers_are_left_alone_too() -> None:
    model = nn.Linear(2, 2)
    before = random.getstate()
    with untouched(model):
        random.random()
    assert random.getstate() == before


def test_hooks_are_removed_and_buffers_restored_after_a_failure_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 2)).train()
    with pytest.raises(ConfigError):
        inspect(model, torch.randn(2, 4))
    assert all(not each._forward_hooks and not each._forward_pre_hooks and each.training for each in model.modules())


def test_a_forward_that_fails_names_the_module_both_shapes_and_what_came_before() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(100, 2))
    with pytest.raises(ConfigError) as caught:
        inspect(model, torch.randn(2, 3, 8, 8))
    assert caught.value.what == "'2' (Linear) cannot take 2×288"
    assert caught.value.why.startswith("in_features is 100, but the last dimension is 288")
    assert caught.value.why.endswith("it comes after '1', which gives 2×288")
    assert "set in_features to 288" in caught.value.fix


def test_a_forward_of_ones_own_that_fails_tells_what_it_raised() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("no such thing")

    with pytest.raises(ConfigError) as caught:
        inspect(nn.Sequential(Wrong()), torch.randn(2, 3))
    assert caught.value.what == "'0' (Wrong) cannot take 2×3"
    assert caught.value.why.startswith(f"KeyError: 'no such thing' ({__file__}:")


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="the model is a int"):
        inspect(3, torch.randn(2))  # type: ignore[arg-type]


class Many(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 6), nn.Linear(3, 6)
        self.shared = self.left
        self.frozen = weight_norm(nn.Linear(6, 6)).requires_grad_(False)
        self.unused = nn.Linear(2, 2)
        self.tied = nn.Linear(4, 6)
        self.tied.weight = self.right_of(self.left)
        self.register_buffer("kept", torch.zeros(3))
        self.register_buffer("passing", torch.zeros(5, dtype=torch.int64), persistent=False)

    @staticmethod
    def right_of(layer: nn.Linear) -> nn.Parameter:
        return layer.weight

    def forward(self, image: Tensor, *, pair: dict[str, Tensor], scale: float = 1.0) -> dict[str, Any]:
        hidden = self.left(image) + self.right(pair["depth"])
        again = self.shared(image) * scale
        return {"logits": self.frozen(hidden + again), "extra": (hidden, self.tied(image))}


def named_rows(found: Inspection) -> dict[str, LayerRow]:
    return {row.path: row for row in found.rows}


def test_many_inputs_dictionaries_and_nested_outputs_are_shown() -> None:
    found = inspect(Many(), torch.randn(2, 4), named={"pair": {"depth": torch.randn(2, 3)}, "scale": 2.0})
    rows = named_rows(found)
    assert found.example == {"image": "2×4", "pair.depth": "2×3"}
    assert rows[""].output == "{logits: 2×6, extra: (2×6, 2×6)}"
    assert rows["left"].calls == 2 and "called 2 times" in rows["left"].notes
    assert rows["shared"].notes == ["shared with left"]
    assert rows["unused"].notes == ["never called"]
    assert rows["frozen"].trained == "no" and rows["frozen"].notes == ["weight parametrised by WeightNorm"]
    assert rows["frozen"].mult_adds == 2 * 42
    assert "weight tied to left.weight" in rows["tied"].notes
    assert rows[""].trained == "part"
    assert [(each.name, each.persistent, each.bytes) for each in found.buffers] == [("kept", True, 12), ("passing", False, 40)]
    assert found.totals.buffers == 8
    assert found.totals.parameters == sum(each.numel() for each in Many().parameters())


def test_hooks_are_told_by_name_and_kind() -> None:
    def record(*_: Any) -> None: ...

    model = nn.Sequential(nn.Linear(2, 2))
    model[0].register_forward_hook(record)
    model[0].register_forward_pre_hook(record)
    model[0].register_full_backward_hook(record)
    assert named_rows(inspect(model, torch.randn(1, 2)))["0"].notes == [
        "forward hook (record)", "forward pre-hook (record)", "backward hook (record)",
    ]  # fmt: skip


def test_packed_sequences_go_through() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            packed, _ = self.rnn(pack_padded_sequence(x, lengths, batch_first=True))
            return self.head(pad_packed_sequence(packed, batch_first=True)[0])

    found = inspect(Packed(), (torch.randn(2, 5, 3), torch.tensor([5, 3])))
    rows = named_rows(found)
    assert rows["rnn"].output == "(packed 8×4, 1×2×4)"
    assert rows["rnn"].mult_adds == 8 * sum(each.numel() for each in nn.GRU(3, 4).parameters())
    assert rows["head"].output == "2×5×2"
    alone: PackedSequence = pack_padded_sequence(torch.randn(2, 5, 3), torch.tensor([5, 3]), batch_first=True)
    assert inspect(nn.GRU(3, 4), alone).rows[0].output == "(packed 8×4, 1×2×4)"


def test_a_lazy_model_is_shown_with_its_sizes_and_stays_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    rows = named_rows(inspect(model, torch.randn(1, 3, 5, 5)))
    assert rows["2"].parameters == 2 * 36 + 2 and rows["2"].notes == ["lazy"]
    assert isinstance(model[2].weight, nn.UninitializedParameter)
    unknown = inspect(model)
    assert named_rows(unknown)["0"].notes == ["lazy: its size is not known yet"] and unknown.totals.parameters == 0


def test_a_model_that_is_not_run_is_shown_without_shapes() -> None:
    found = inspect(nn.Linear(3, 4))
    assert found.rows[0].output == "" and found.totals.parameters == 16
    assert "it was not run" in str(found) and "multiply-adds  " not in str(found)
    assert picture(found) is None


def test_a_graph_is_run_on_the_shapes_it_states() -> None:
    graph = Graph.from_yaml("inputs: {x: {shape: [4]}}\nnodes:\n- fc: {Linear: [4, 3]}\n- ReLU\n")
    assert named_rows(inspect(graph))["fc"].output == "1×3"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_shown() -> None:
    found = inspect(nn.Sequential(torch.jit.script(nn.Linear(3, 4)), nn.ReLU()), torch.randn(2, 3))
    assert found.rows[0].output == "2×4" and found.totals.parameters == 16
    assert found.rows[1].notes == ["scripted: its calls are not seen"]
    assert edges(found.flow) == [("input", "1"), ("1", "output")]
    assert next(each for top in found.flow.nodes for each in top.inside() if each.name == "1").guessed


def test_the_inspection_survives_json() -> None:
    found = inspect(ResNet(), torch.randn(1, 3, 16, 16))
    again = Inspection.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    with pytest.raises(ValueError, match="the format is 9, not 1"):
        Inspection.from_dict({"format": 9})


def test_the_tree_fits_the_width_it_is_given() -> None:
    found = inspect(Many(), torch.randn(2, 4), named={"pair": {"depth": torch.randn(2, 3)}})
    wide, narrow = table(found, width=200).splitlines(), table(found, width=75).splitlines()
    assert any(line.startswith("├─ unused") and line.endswith("never called") for line in wide)
    assert "unused: never called" in narrow
    assert max(map(len, narrow[:8])) <= 75
    assert table(found, depth=0).splitlines()[1].startswith("Many") and "├─" not in table(found, depth=0)


def test_modules_are_found_by_name_and_class() -> None:
    found = inspect(ResNet(), torch.randn(1, 3, 16, 16))
    assert [row.path for row in find_rows(found, "*Norm*")] == ["blocks.0.norm", "blocks.1.norm", "blocks.2.norm"]
    assert [row.path for row in find_rows(found, "blocks.1")] == ["blocks.1"]
    with pytest.raises(ConfigError, match="no module is called, or is a, 'heed'\n  fix: did you mean 'head'"):
        find_rows(found, "heed")


def boxes(flow: Flow) -> dict[int, str]:
    return {each.number: each.name for top in flow.nodes for each in top.inside() if not each.children}


def edges(flow: Flow) -> list[tuple[str, str]]:
    names = boxes(flow)
    return [(names[a], names[b]) for a, b in flow.edges]


def test_data_flow_is_seen_through_functions_and_skips_meet_where_they_are_added() -> None:
    found = inspect(ResNet(1), torch.randn(1, 3, 16, 16))
    assert edges(found.flow) == [
        ("image", "stem"), ("stem", "conv"), ("conv", "norm"), ("stem", "add"), ("norm", "add"), ("add", "head"), ("head", "output"),
    ]  # fmt: skip


def test_what_an_autograd_function_gives_is_said_to_come_from_the_call_before_it() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.places, self.last = nn.Linear(3, 3), nn.Embedding(4, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = Twice.apply(self.first(x))
            return self.last(hidden) + self.last(self.places(torch.arange(len(x))))

    flow = inspect(Net(), torch.randn(4, 3)).flow
    assert edges(flow) == [("x", "first"), ("first", "last"), ("places", "last"), ("last", "add"), ("last", "add"), ("add", "output")]
    guessed = [each.name for top in flow.nodes for each in top.inside() if each.guessed]
    assert guessed in (["last"], [])  # torch may come to show autograd functions to a mode


def test_equal_blocks_and_turns_of_a_loop_are_drawn_once() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.GRUCell(4, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            hidden, given = torch.zeros(len(x), 8), []
            for step in x.unbind(1):
                hidden = self.cell(step, hidden)
                given.append(self.out(hidden))
            return torch.stack(given, 1)

    flow = fold(inspect(Loop(), torch.randn(2, 30, 4)).flow)
    assert sorted(boxes(flow).values()) == ["cell", "out", "output", "stack", "x"]
    loop = next(each for top in flow.nodes for each in top.inside() if each.kind == "loop")
    assert loop.repeat == 30
    blocks = fold(inspect(ResNet(12), torch.randn(1, 3, 16, 16)).flow)
    block = next(each for top in blocks.nodes for each in top.inside() if each.class_name == "Residual")
    assert (block.name, block.repeat) == ("0 … 11", 12)
    assert ("add", "head") in edges(blocks) and ("stem", "conv") in edges(blocks)


def test_closed_modules_keep_what_goes_in_and_out() -> None:
    flow = close_below(inspect(ResNet(2), torch.randn(1, 3, 16, 16)).flow, 2)
    assert edges(flow) == [("image", "stem"), ("stem", "blocks"), ("blocks", "head"), ("head", "output")]


def test_a_cross_attention_is_drawn_with_the_memory_it_reads() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Transformer(8, 2, 3, 3, 16, batch_first=True)

        def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
            return self.net(src, tgt)

    found = inspect(Both(), (torch.randn(2, 5, 8), torch.randn(2, 6, 8)))
    assert ("norm", "multihead_attn") in edges(fold(found.flow))
    assert ("tgt", "self_attn") in edges(fold(found.flow))


def test_every_line_of_the_picture_runs_between_boxes_and_lanes_do_not_cross_each_other() -> None:
    flow = fold(inspect(ResNet(3), torch.randn(1, 3, 16, 16)).flow)
    made = lay_out(flow)
    assert len(made.straight) + len(made.sides) == len(flow.edges)
    tops = [each.top for each in made.boxes]
    assert tops == sorted(tops) and made.boxes[-1].bottom < made.height
    for one in made.sides:
        for other in made.sides:
            if one.lane == other.lane and one is not other and one.start is not other.start:
                assert one.end.top <= other.start.top + 30 or other.end.top <= one.start.top + 30


def test_the_picture_is_one_well_made_svg_with_shapes_and_escaped_names(tmp_path: Path) -> None:
    found = inspect(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(2, 3))
    found.flow.nodes.append(FlowNode(99, "module", "<script>", "A&B", "2×4"))
    drawing = picture(found, alone=True)
    assert drawing is not None
    root = ElementTree.fromstring(drawing)
    texts = ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("text")]
    assert "2×4" in texts and any("<script>" in each for each in texts)
    assert "prefers-color-scheme: dark" in drawing
    assert "<script>" not in drawing


def test_equal_numbered_rows_are_listed_once() -> None:
    found = fold_blocks(inspect(ResNet(12), torch.randn(1, 3, 16, 16)).rows)
    assert [name for _, name in found] == ["", "stem", "blocks", "0 … 11 ×12", "conv", "norm", "head"]
