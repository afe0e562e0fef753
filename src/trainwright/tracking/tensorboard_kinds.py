"""Values beside numbers, as TensorBoard's event files have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trainwright.tracking.kinds import GraphNode, Histogram


def image_value(name: str, array: Any) -> Any:
    """A picture, uint8 (h w c), as PNG."""
    from io import BytesIO

    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    encoded = BytesIO()
    Image.fromarray(array).save(encoded, format="PNG")
    height, width, channels = array.shape
    picture = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue())
    return Summary.Value(tag=name, image=picture)


def histogram_value(name: str, found: Histogram) -> Any:
    """Counts between edges."""
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    made = HistogramProto(
        min=found.edges[0],
        max=found.edges[-1],
        num=sum(found.counts),
        sum=found.total,
        sum_squares=found.squares,
        bucket_limit=found.edges[1:],
        bucket=found.counts,
    )
    return Summary.Value(tag=name, histo=made)


def text_summary(name: str, text: str) -> Any:
    """Markdown under a name."""
    from torch.utils.tensorboard.summary import text as made

    return made(name, text)  # type: ignore[no-untyped-call]


def hparams_summaries(settings: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterable[Any]:
    """Settings and the names of metrics as the HPARAMS page reads them, with the metrics' values."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard.summary import hparams

    yield from hparams(dict(settings), dict(metrics))  # type: ignore[no-untyped-call]
    yield Summary(value=[Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()])


def graph_bytes(nodes: Iterable[GraphNode]) -> bytes:
    """A graph as the GRAPHS page reads it."""
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

    made = []
    for each in nodes:
        attributes = {"output": AttrValue(s=each.shape.encode())} if each.shape else {}
        made.append(NodeDef(name=each.name, op=each.kind, input=list(each.inputs), attr=attributes))
    encoded: bytes = GraphDef(node=made).SerializeToString()
    return encoded
