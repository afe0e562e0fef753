"""What a node of a graph and a received run may name of torch: everything that computes, and nothing that does anything else."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import get_overridable_functions

from trainwright.config.torch_names import COMPUTING, LISTED, NODES, OF_TRAINING

SPACES: dict[str, Any] = {
    "torch": torch, "torch.nn.functional": nn.functional, "torch.Tensor": torch.Tensor,
    "torch.fft": torch.fft, "torch.linalg": torch.linalg, "torch.special": torch.special,
}  # fmt: skip
LEFT_OUT: dict[str, str] = {
    "torch": """
        autocast batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats
        batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats choose_qparams_optimized empty_like
        fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight
        fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight fbgemm_pack_gemm_matrix_fp16
        fbgemm_pack_quantized_matrix fused_moving_avg_obs_fake_quant get_device hash_tensor is_distributed is_inference
        miopen_batch_norm miopen_convolution miopen_convolution_add_relu miopen_convolution_relu miopen_convolution_transpose
        miopen_depthwise_convolution miopen_rnn native_batch_norm native_channel_shuffle native_dropout native_group_norm
        native_layer_norm native_norm norm_except_dim q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale
        q_zero_point quantized_batch_norm quantized_gru_cell quantized_lstm_cell quantized_max_pool1d quantized_max_pool2d
        quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell slice_inverse sym_float sym_int sym_ite sym_max
        sym_min sym_not sym_sqrt sym_sum unsafe_chunk unsafe_split unsafe_split_with_sizes
    """,
    "torch.nn.functional": """
        native_channel_shuffle
    """,
    "torch.Tensor": """
        apply_ backward const_data_ptr cuda data_ptr dim_order get_device hash_tensor ipu is_distributed is_inference is_pinned
        is_set_to is_shared map2_ map_ module_load mtia numpy pin_memory q_per_channel_axis q_per_channel_scales
        q_per_channel_zero_points q_scale q_zero_point qscheme record_stream register_hook register_post_accumulate_grad_hook
        requires_grad_ resize resize_ resize_as resize_as_ resize_as_sparse_ retain_grad set_ share_memory_ slice_inverse
        sparse_resize_ sparse_resize_and_clear_ storage storage_offset storage_type to_mkldnn tolist unsafe_chunk unsafe_split
        unsafe_split_with_sizes untyped_storage xpu
    """,
}
"""Functions of torch on tensors that are not listed: they reach memory, hooks, devices or other processes, or are of one back end."""
DANGEROUS = (
    *("torch.load", "torch.save", "torch.compile", "torch.from_file", "torch.hub.load", "torch.jit.load", "torch.jit.script", "torch.fork"),
    *("torch.Tensor.apply_", "torch.Tensor.map_", "torch.Tensor.register_hook", "torch.Tensor.share_memory_", "torch.Tensor.set_"),
    *("torch.Tensor.data_ptr", "torch.Tensor.numpy", "torch.Tensor.storage", "torch.Tensor.backward", "torch.ops.load_library"),
    *("torch.set_default_dtype", "torch.manual_seed", "torch.set_num_threads", "torch.use_deterministic_algorithms", "torch.vmap"),
    *("torch.nn.functional.handle_torch_function", "torch.nn.functional.boolean_dispatch", "torch.nn.Module", "torch.os.system"),
    *("torch.utils.cpp_extension.load", "torch.package.PackageImporter", "torch.distributed.init_process_group"),
    "torch.multiprocessing.spawn",
)  # fmt: skip


def found(module: str, name: str) -> Any:
    space = SPACES[module] if module in SPACES else importlib.import_module(module)
    return functools.reduce(getattr, name.split("."), space)


@pytest.mark.parametrize("module", [each for each in (*COMPUTING, *OF_TRAINING) if each.startswith("torch.") or each == "torch"])
def test_every_name_that_is_listed_is_a_function_or_a_class_of_torch(module: str) -> None:
    for name in ({**COMPUTING, **OF_TRAINING})[module].split():
        assert callable(found(module, name)), name


@pytest.mark.parametrize("module", SPACES)
def test_every_function_on_tensors_is_listed_or_left_out_on_purpose(module: str) -> None:
    space = SPACES[module]
    there = get_overridable_functions().get(space, [])
    names = {each for each in dir(space) if not each.startswith("_") and callable(getattr(space, each)) and getattr(space, each) in there}
    new = names - set(COMPUTING[module].split()) - set(LEFT_OUT.get(module, "").split())
    assert not new, f"decide on {sorted(new)}: write them into config/torch_names.py, or here with those that are left out"


@pytest.mark.parametrize("name", DANGEROUS)
def test_what_loads_saves_compiles_runs_or_sets_is_not_listed(name: str) -> None:
    assert name not in LISTED


def test_a_layer_is_a_module_and_nothing_is_listed_twice() -> None:
    assert all(issubclass(getattr(nn, name), nn.Module) or name in ("Parameter", "Buffer") for name in COMPUTING["torch.nn"].split())
    assert len(NODES) == sum(len(names.split()) for names in COMPUTING.values())
