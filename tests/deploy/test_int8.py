from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from tests.deploy.int8_files import digits, write_convolutions, write_dense

from trainwright.config.errors import ConfigError, DataError, RequestError, RunError
from trainwright.deploy.int8.layers import find_layers, leave_out, name_nodes
from trainwright.deploy.int8.quantizing import write_dynamic, write_static
from trainwright.deploy.int8.report import Request, quantize_file
from trainwright.deploy.int8.sensitivity import relative_error
from trainwright.deploy.int8.stored import check_stored

PARAMETERS = {f"net.{number}.weight": np.zeros((1, 1), np.float32) for number in range(3)}
"""By name, as an exporter keeps them."""


def open_file(path: Path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda feed: dict(zip(names, session.run(None, dict(feed)), strict=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("int8")
    return {"dense": write_dense(folder / "dense.onnx"), "conv": write_convolutions(folder / "conv.onnx")}


def feeds(count: int = 512) -> list[dict[str, np.ndarray]]:
    return [{"pixels": digits()[0][start : start + 64]} for start in range(0, count, 64)]


def layers_of(path: Path, parameters=PARAMETERS):
    model = onnx.load(str(path))
    name_nodes(model)
    return find_layers(model, parameters)


def accuracy(path: Path) -> float:
    _, _, pixels, labels = digits()
    return float(np.mean(open_file(path)({"pixels": pixels})["logits"].argmax(axis=1) == labels))


def test_what_pruning_made_zero_stays_zero(files, tmp_path):
    model = onnx.load(str(files["dense"]))
    (weight,) = [each for each in model.graph.initializer if each.name == "net.0.weight"]
    values = onnx.numpy_helper.to_array(weight).copy()
    zero = np.abs(values) < np.median(np.abs(values))
    values[zero] = 0
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(tmp_path / "pruned.onnx"))
    write_static(tmp_path / "pruned.onnx", tmp_path / "int8.onnx", layers_of(tmp_path / "pruned.onnx"), feeds(64))
    tensors = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(tmp_path / "int8.onnx")).graph.initializer}
    assert (tensors["net.0.weight_zero_point"] == 0).all()
    assert (tensors["net.0.weight_quantized"][zero] == 0).all()


def test_only_what_was_trained_is_rounded(files):
    assert [each.name for each in layers_of(files["dense"])] == ["net.0", "net.1"], "the fixed scale in front is a matrix too"
    assert [each.operator for each in layers_of(files["conv"])] == ["Conv", "Conv", "Gemm"]
    assert len(find_layers(onnx.load(str(files["dense"])))) == 3, "without the names of parameters nobody knows"


def test_a_weight_that_lost_its_name_is_known_by_its_numbers(files):
    model = onnx.load(str(files["dense"]))
    (weight,) = [each for each in model.graph.initializer if each.name == "net.0.weight"]
    trained = {"body.first.weight": np.ascontiguousarray(onnx.numpy_helper.to_array(weight).T)}
    assert [(each.name, each.weight) for each in find_layers(model, trained)] == [("body.first", "net.0.weight")]
    assert find_layers(model, {"body.first.weight": trained["body.first.weight"] + 1}) == []


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_a_stack_of_matrices_has_one_scale_or_stays_float(tmp_path, mode):
    make = np.random.default_rng(0)
    stack = make.normal(0, 1, (5, 64, 8)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["pixels", "stack.weight"], ["logits"])]
    given = helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["rows", 64])
    gives = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [5, "rows", 8])
    graph = helper.make_graph(nodes, "stack", [given], [gives], [onnx.numpy_helper.from_array(stack, "stack.weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(tmp_path / "float.onnx"))
    layers = layers_of(tmp_path / "float.onnx", {"stack.weight": stack})
    assert [each.is_stack for each in layers] == [True]
    if mode == "dynamic":
        with pytest.raises(RequestError, match="nothing of this model can be int8"):
            write_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers)
        return
    write_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers, feeds(64))
    check_stored(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers)
    rows = {"pixels": digits()[2][:20]}
    answers = [open_file(tmp_path / f"{each}.onnx")(rows)["logits"] for each in ("float", "int8")]
    assert relative_error({"logits": answers[0]}, {"logits": answers[1]}) < 0.02


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_a_static_file_decides_as_the_float_one_and_is_a_third_as_large(files, tmp_path, name):
    target, layers = tmp_path / "int8.onnx", layers_of(files[name])
    assert write_static(files[name], target, layers, feeds()) == 512
    assert accuracy(files[name]) > 0.93
    assert abs(accuracy(target) - accuracy(files[name])) <= 0.005
    stored = check_stored(files[name], target, layers)
    assert max(each.error for each in stored) <= 0.501
    assert all(each.bytes_after < 0.4 * each.bytes_before for each in stored)
    assert {each.key for each in onnx.load(str(target)).metadata_props} == {"trainwright"}


def test_a_row_of_a_static_file_does_not_depend_on_its_batch_and_one_of_a_dynamic_file_does(files, tmp_path):
    layers, rows = layers_of(files["dense"]), digits()[2][:64].copy()
    rows[1:] *= 3  # far from the first row, which then shares a wide range
    write_static(files["dense"], tmp_path / "static.onnx", layers, feeds())
    write_dynamic(files["dense"], tmp_path / "dynamic.onnx", layers)
    change = {}
    for name in ("static", "dynamic"):
        answer = open_file(tmp_path / f"{name}.onnx")
        alone, among = answer({"pixels": rows[:1]})["logits"], answer({"pixels": rows})["logits"][:1]
        change[name] = float(np.abs(alone - among).max())
    assert change["static"] <= 1e-5
    assert change["dynamic"] > 1e-3


def test_what_a_dense_layer_says_last_is_not_rounded_to_256_values(files, tmp_path):
    write_static(files["dense"], tmp_path / "int8.onnx", layers_of(files["dense"]), feeds())
    logits = open_file(tmp_path / "int8.onnx")({"pixels": digits()[2]})["logits"]
    assert len(np.unique(logits)) > 2000


def test_the_way_round_a_convolution_stays_int8(files, tmp_path):
    write_static(files["conv"], tmp_path / "int8.onnx", layers_of(files["conv"]), feeds())
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    (add,) = [each for each in graph.node if each.op_type == "Add"]
    before = {output: each.op_type for each in graph.node for output in each.output}
    assert [before[each] for each in add.input] == ["DequantizeLinear", "DequantizeLinear"]
    (after,) = [each.op_type for each in graph.node if add.output[0] in each.input]
    assert after in ("QuantizeLinear", "Relu")


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_the_report_says_size_time_and_what_each_layer_costs(files, tmp_path, mode):
    rows = [{"pixels": digits()[2][:128]}]
    request = Request(mode, ranges="minmax")
    found = quantize_file(files["dense"], tmp_path / "int8.onnx", request, feeds(), rows, open_file, PARAMETERS)
    assert {each["name"] for each in found["layers"]} == {"net.0", "net.1"}
    assert all(
        0 < each["output_error"] < 0.1 and each["changed_decisions"] <= 0.02 and each["rounding"] <= 0.501 for each in found["layers"]
    )
    assert found["size"]["int8"] < found["size"]["float"]
    assert found["latency"]["times_as_fast"] > 0
    assert found["answers_depend_on_batch"] is (mode == "dynamic")
    assert (found["calibration"] or {}).get("rows") == (512 if mode == "static" else None)


def test_a_layer_that_suffers_is_the_first_of_the_report_and_can_be_left_float(files, tmp_path):
    model = onnx.load(str(files["dense"]))
    (weight,) = [each for each in model.graph.initializer if each.name == "net.1.weight"]
    values = onnx.numpy_helper.to_array(weight).copy()
    values[:, 0] = 40.0  # one huge column takes the range that all others of its channel share
    (hidden,) = [each for each in model.graph.initializer if each.name == "net.0.bias"]
    bias = onnx.numpy_helper.to_array(hidden).copy()
    bias[0] = -1e3  # and its unit never speaks: the float file answers as before
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    hidden.CopyFrom(onnx.numpy_helper.from_array(bias, hidden.name))
    source, rows = tmp_path / "odd.onnx", [{"pixels": digits()[2][:256]}]
    onnx.save(model, str(source))
    found = quantize_file(source, tmp_path / "int8.onnx", Request("static"), feeds(), rows, open_file, PARAMETERS)
    assert found["layers"][0]["name"] == "net.1"
    assert found["layers"][0]["changed_decisions"] > 0.02
    spared = quantize_file(source, tmp_path / "spared.onnx", Request("static", skip=["net.1"]), feeds(), rows, open_file, PARAMETERS)
    assert spared["float_layers"] == ["net.1"]
    assert accuracy(tmp_path / "spared.onnx") > accuracy(tmp_path / "int8.onnx") + 0.02


def test_dynamic_convolutions_are_refused_with_the_figure_measured_on_the_model(files, tmp_path):
    target = tmp_path / "int8.onnx"
    rows = [{"pixels": digits()[2][:64]}]
    with pytest.raises(RequestError, match=r"slow in dynamic int8 \(net.0, net.1\)(.|\n)*measured here on 64 rows: [\d,]+ µs(.|\n)*static"):
        quantize_file(files["conv"], target, Request("dynamic"), [], rows, open_file, PARAMETERS)
    assert not target.exists()
    found = quantize_file(files["conv"], target, Request("dynamic", skip=["net.0", "net.1"]), [], rows, open_file, PARAMETERS)
    assert [each["name"] for each in found["layers"]] == ["net.2"]


def test_a_pattern_that_names_no_layer_is_told_with_the_closest(files):
    with pytest.raises(ConfigError, match=r"'net.9' names no layer(.|\n)*did you mean 'net\.\d'"):
        leave_out(layers_of(files["dense"]), ["net.9"], "int8_skip")


def test_static_without_rows_and_a_model_without_weights_are_told(files, tmp_path):
    with pytest.raises(DataError, match="no rows for static int8"):
        quantize_file(files["dense"], tmp_path / "a.onnx", Request("static"), [], feeds(64), open_file, PARAMETERS)
    with pytest.raises(RequestError, match="nothing of this model can be int8"):
        write_static(files["dense"], tmp_path / "a.onnx", [], feeds(64))
    assert not (tmp_path / "a.onnx").exists()


def test_a_file_whose_int8_numbers_stand_for_other_weights_is_told_by_layer(files, tmp_path):
    target, layers = tmp_path / "int8.onnx", layers_of(files["dense"])
    write_static(files["dense"], target, layers, feeds(64))
    model = onnx.load(str(target))
    (stored,) = [each for each in model.graph.initializer if each.name == "net.1.weight_quantized"]
    values = onnx.numpy_helper.to_array(stored).copy()
    values[0, 0] ^= 8
    stored.CopyFrom(onnx.numpy_helper.from_array(values, stored.name))
    onnx.save(model, str(target))
    with pytest.raises(RunError, match=r"layer net.1 was not stored as it is(.|\n)*steps from its int8 number"):
        check_stored(files["dense"], target, layers)
