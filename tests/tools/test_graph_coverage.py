"""Every public class of torch.nn, built through the graph and trained one step; a class that torch adds has to be listed here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.tools.graph import graph

INTEGERS = "int"
V1, V2, V3 = (2, 4, 8), (2, 4, 8, 8), (2, 4, 6, 6, 6)


def one(node: Any, *shape: int) -> tuple[list[Any], list[Any]]:
    """A node with one input of this shape."""
    return [node], [shape]


def several(node: dict[str, Any], *inputs: Any) -> tuple[list[Any], list[Any]]:
    """A node with several inputs: shapes, or tensors."""
    return [{**node, "inputs": [f"i{number}" for number in range(len(inputs))]}], list(inputs)


def loss(name: str, *inputs: Any) -> tuple[list[Any], list[Any]]:
    return several({"type": name}, *inputs)


def pooled(dim: int, shape: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    nodes = [
        {f"MaxPool{dim}d": [2], "return_indices": True, "outputs": ["p", "where"]},
        {f"MaxUnpool{dim}d": [2], "inputs": ["p", "where", {"size": "i0"}]},
    ]
    return nodes, [shape]


def by_dimension(template: str, args: list[list[Any]], shapes: tuple[tuple[int, ...], ...] = (V1, V2, V3)) -> dict[str, Any]:
    """`Conv1d`, `Conv2d`, `Conv3d`…, each with its arguments and input."""
    return {template.format(n + 1): one({template.format(n + 1): args[n]}, *shape) for n, shape in enumerate(shapes)}


CLASSES, ROWS = torch.tensor([0, 2]), torch.tensor([[1, 2], [0, 1]])
SIGNS = torch.tensor([1.0, -1.0])
PLAIN = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Dropout",
    "AlphaDropout",
    "FeatureAlphaDropout",
    "Flatten",
]

CASES: dict[str, tuple[list[Any], list[Any]]] = {
    **{name: one(name, *V2) for name in PLAIN},
    **{name: one({name: {"dim": 1}}, *V1) for name in ("Softmax", "LogSoftmax", "Softmin")},
    "Softmax2d": one("Softmax2d", *V2),
    "Threshold": one({"Threshold": [0.1, 20]}, *V1),
    **by_dimension("Dropout{}d", [[0.2]] * 3),
    **by_dimension("Conv{}d", [[4, 6, 3]] * 3),
    **by_dimension("ConvTranspose{}d", [[4, 6, 3]] * 3),
    **by_dimension("LazyConv{}d", [[6, 3]] * 3),
    **by_dimension("LazyConvTranspose{}d", [[6, 3]] * 3),
    **by_dimension("BatchNorm{}d", [[4]] * 3),
    **by_dimension("LazyBatchNorm{}d", [[]] * 3),
    **by_dimension("InstanceNorm{}d", [[4]] * 3),
    **by_dimension("LazyInstanceNorm{}d", [[]] * 3),
    **by_dimension("AdaptiveAvgPool{}d", [[2], [[2, 3]], [[2, None, 3]]]),
    **by_dimension("AdaptiveMaxPool{}d", [[2], [[2, 3]], [[2, None, 3]]]),
    **by_dimension("AvgPool{}d", [[2]] * 3),
    **by_dimension("MaxPool{}d", [[2], [[2, 2]], [2]]),
    **by_dimension("LPPool{}d", [[2, 2]] * 3),
    **by_dimension("CircularPad{}d", [[1]] * 3),
    **by_dimension("ConstantPad{}d", [[1, 0.5], [[1, 2, 0, 1], 0.5], [1, 0.5]]),
    **by_dimension("ReflectionPad{}d", [[1]] * 3),
    **by_dimension("ReplicationPad{}d", [[[1, 2]], [1], [1]]),
    **by_dimension("ZeroPad{}d", [[1]] * 3),
    "FractionalMaxPool2d": one({"FractionalMaxPool2d": {"kernel_size": 2, "output_ratio": [0.5, 0.5]}}, *V2),
    "FractionalMaxPool3d": one({"FractionalMaxPool3d": {"kernel_size": 2, "output_size": 3}}, *V3),
    "MaxUnpool1d": pooled(1, V1),
    "MaxUnpool2d": pooled(2, (2, 4, 7, 7)),
    "MaxUnpool3d": pooled(3, V3),
    "Bilinear": several({"Bilinear": [4, 5, 3]}, (2, 4), (2, 5)),
    "ChannelShuffle": one({"ChannelShuffle": 2}, *V2),
    "CosineSimilarity": several({"type": "CosineSimilarity"}, (2, 4), (2, 4)),
    "PairwiseDistance": several({"type": "PairwiseDistance"}, (2, 4), (2, 4)),
    "CrossMapLRN2d": one({"CrossMapLRN2d": 2}, *V2),
    "LocalResponseNorm": one({"LocalResponseNorm": 2}, *V2),
    "Embedding": one({"Embedding": [10, 3], "padding_idx": 0}, INTEGERS, 2, 4),
    "EmbeddingBag": one({"EmbeddingBag": [10, 3], "mode": "sum"}, INTEGERS, 2, 4),
    "Fold": one({"Fold": {"output_size": [4, 5], "kernel_size": [2, 2]}}, 2, 12, 12),
    "Unfold": one({"Unfold": {"kernel_size": [2, 3]}}, *V2),
    "Unflatten": one({"Unflatten": {"dim": 1, "unflattened_size": [2, 2]}}, *V1),
    "PixelShuffle": one({"PixelShuffle": 2}, *V2),
    "PixelUnshuffle": one({"PixelUnshuffle": 2}, *V2),
    "Upsample": one({"Upsample": {"scale_factor": 2, "mode": "bilinear", "align_corners": True}}, *V2),
    "UpsamplingBilinear2d": one({"UpsamplingBilinear2d": {"scale_factor": 2}}, *V2),
    "UpsamplingNearest2d": one({"UpsamplingNearest2d": {"size": [4, 4]}}, *V2),
    "GroupNorm": one({"GroupNorm": [2, 4]}, *V2),
    "LayerNorm": one({"LayerNorm": [[4, 8]]}, *V1),
    "RMSNorm": one({"RMSNorm": 8}, *V1),
    "Linear": one({"Linear": [8, 3]}, *V1),
    "LazyLinear": one({"LazyLinear": 3}, *V1),
    "RNN": one({"RNN": [8, 5], "batch_first": True}, *V1),
    "GRU": one({"GRU": [8, 5], "num_layers": 2, "bidirectional": True}, *V1),
    "LSTM": one({"LSTM": [8, 5], "outputs": ["out", ["h", "c"]]}, *V1),
    "RNNCell": several({"RNNCell": [4, 3]}, (2, 4), (2, 3)),
    "GRUCell": several({"GRUCell": [4, 3]}, (2, 4), (2, 3)),
    "LSTMCell": one({"LSTMCell": [4, 3], "outputs": ["h", "c"]}, 2, 4),
    "MultiheadAttention": several({"MultiheadAttention": [8, 2], "outputs": ["out", "_"]}, V1, V1, V1),
    "Transformer": several({"Transformer": [8, 2, 1, 1, 16], "batch_first": True}, V1, V1),
    "TransformerEncoderLayer": one({"TransformerEncoderLayer": [8, 2, 16], "activation": "gelu"}, *V1),
    "TransformerDecoderLayer": several({"TransformerDecoderLayer": [8, 2, 16]}, V1, V1),
    "TransformerEncoder": one({"TransformerEncoder": [{"TransformerEncoderLayer": [8, 2, 16]}, 2]}, *V1),
    "TransformerDecoder": several(
        {"TransformerDecoder": {"decoder_layer": {"TransformerDecoderLayer": [8, 2, 16]}, "num_layers": 2}}, V1, V1
    ),
    "Sequential": one({"Sequential": [{"Linear": [8, 3]}, "Tanh"]}, *V1),
    "ModuleList": one({"ModuleList": [{"Linear": [8, 8]}, "Tanh"]}, *V1),
    "ModuleDict": one({"ModuleDict": {"a": {"Linear": [8, 8]}, "b": "Tanh"}, "choose": {"value": "a"}}, *V1),
    "ParameterList": ([{"w": {"ParameterList": [{"shape": [8], "init": "ones"}]}}, {"type": "mul", "inputs": ["i0", "w[0]"]}], [V1]),
    "ParameterDict": ([{"w": {"ParameterDict": {"a": {"shape": [8]}}}}, {"type": "add", "inputs": ["i0", "w['a']"]}], [V1]),
    "Parameter": ([{"w": {"Parameter": {"shape": [8], "init": "ones"}}}, {"type": "mul", "inputs": ["i0", "w"]}], [V1]),
    "Buffer": ([{"w": {"Buffer": {"value": [1.0] * 8}}}, {"type": "mul", "inputs": ["i0", "w"]}], [V1]),
    "L1Loss": loss("L1Loss", V1, V1),
    "MSELoss": loss("MSELoss", V1, V1),
    "SmoothL1Loss": loss("SmoothL1Loss", V1, V1),
    "HuberLoss": loss("HuberLoss", V1, V1),
    "CrossEntropyLoss": several({"CrossEntropyLoss": {"weight": [1.0, 2.0, 0.5]}}, (2, 3), CLASSES),
    "NLLLoss": loss("NLLLoss", (2, 3), CLASSES),
    "MultiMarginLoss": loss("MultiMarginLoss", (2, 3), CLASSES),
    "MultiLabelMarginLoss": loss("MultiLabelMarginLoss", (2, 2), torch.tensor([[0, -1], [1, 0]])),
    "MultiLabelSoftMarginLoss": loss("MultiLabelSoftMarginLoss", (2, 2), torch.eye(2)),
    "BCELoss": ([{"p": "Sigmoid", "inputs": "i0"}, {"type": "BCELoss", "inputs": ["p", "i1"]}], [(2, 2), torch.eye(2)]),
    "BCEWithLogitsLoss": loss("BCEWithLogitsLoss", (2, 2), torch.eye(2)),
    "KLDivLoss": several({"KLDivLoss": {"reduction": "batchmean", "log_target": True}}, (2, 3), torch.full((2, 3), -1.1)),
    "PoissonNLLLoss": loss("PoissonNLLLoss", (2, 3), torch.ones(2, 3)),
    "GaussianNLLLoss": loss("GaussianNLLLoss", (2, 3), torch.ones(2, 3), torch.ones(2, 3)),
    "SoftMarginLoss": loss("SoftMarginLoss", (2,), SIGNS),
    "HingeEmbeddingLoss": loss("HingeEmbeddingLoss", (2,), SIGNS),
    "MarginRankingLoss": loss("MarginRankingLoss", (2,), (2,), SIGNS),
    "CosineEmbeddingLoss": loss("CosineEmbeddingLoss", (2, 3), (2, 3), SIGNS),
    "TripletMarginLoss": loss("TripletMarginLoss", (2, 3), (2, 3), (2, 3)),
    "TripletMarginWithDistanceLoss": several(
        {"TripletMarginWithDistanceLoss": {"distance_function": {"type": "PairwiseDistance"}}}, (2, 3), (2, 3), (2, 3)
    ),
    "CTCLoss": (
        [{"log": {"LogSoftmax": 2, "inputs": "i0"}}, {"type": "CTCLoss", "inputs": ["log", "i1", "i2", "i3"]}],
        [(6, 2, 4), torch.tensor([[1, 2], [2, 3]]), torch.tensor([6, 6]), torch.tensor([2, 2])],
    ),
    "AdaptiveLogSoftmaxWithLoss": several(
        {"AdaptiveLogSoftmaxWithLoss": [4, 6, [2, 4]], "outputs": ["_", "loss"]}, (2, 4), torch.tensor([0, 5])
    ),
    "LinearCrossEntropyLoss": several({"LinearCrossEntropyLoss": [4, 3]}, (2, 4), CLASSES),
}

LEFT_OUT = {
    "Module": "the base class; it computes nothing",
    "Container": "an empty base class of torch's first year",
    "RNNBase": "the base of RNN, LSTM and GRU; it has no forward of its own",
    "RNNCellBase": "the base of the cells; it has no forward",
    "DataParallel": "a way to run a model over devices, not a layer; the trainer's strategies do this",
    "NLLLoss2d": "an old name of NLLLoss, which has the same forward",
    "SyncBatchNorm": "runs on an accelerator in a process group only; made in its own test",
    "UninitializedParameter": "what a lazy layer holds before its dry run",
    "UninitializedBuffer": "what a lazy layer holds before its dry run",
    "LinearCrossEntropyOptions": "options of LinearCrossEntropyLoss, not a layer",
}


def public_classes() -> set[str]:
    return {name for name, each in vars(nn).items() if isinstance(each, type) and not name.startswith("_")}


def example(spec: Any) -> Tensor:
    """A tensor as it is given, whole numbers, or random values that ask for a gradient."""
    if isinstance(spec, Tensor):
        return spec
    if spec and spec[0] == INTEGERS:
        return torch.randint(1, 10, spec[1:])
    return torch.randn(spec, requires_grad=True)


def test_every_public_class_of_torch_nn_is_covered_or_left_out_for_a_reason() -> None:
    known = set(CASES) | set(LEFT_OUT)
    missing = public_classes() - known
    assert not missing, f"torch.nn has classes that no test covers: add them to CASES, or to LEFT_OUT with the reason: {sorted(missing)}"
    assert not set(CASES) & set(LEFT_OUT)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_layer_trains_one_step_through_the_graph(name: str) -> None:
    if not hasattr(nn, name):
        pytest.skip("this torch does not have it yet")
    nodes, shapes = CASES[name]
    torch.manual_seed(0)
    inputs = [example(each) for each in shapes]
    model = graph([*nodes], inputs=[f"i{number}" for number in range(len(inputs))])
    model.dry_run(*[each.detach() for each in inputs])
    before = [each.detach().clone() for each in model.parameters()]
    result = model(*inputs)
    first = result[0] if isinstance(result, tuple) else result
    first.square().sum().backward()
    if before:
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert any(each.grad is not None for each in [*inputs, *model.parameters()])


def test_sync_batch_norm_is_made_and_runs_in_evaluation() -> None:
    model = graph([{"SyncBatchNorm": 4}]).eval()
    x = torch.randn(V1)
    assert torch.equal(model(x), nn.SyncBatchNorm(4).eval()(x))
