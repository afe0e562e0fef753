"""What other frameworks call a strategy → what to write here."""

from __future__ import annotations

_LAUNCHED = "use ddp: how processes are started is the section launch, and tw.fit(devices=…) from a notebook"
_OFFLOADED = "use {type: fsdp, offload: cpu}"
OTHERS = {
    "dp": "one process that copies the model to several GPUs in every step is slower than a process for each: use ddp",
    "ddp2": "use ddp",
    "ddp_cpu": "use ddp with run.device: cpu",
    "ddp_spawn": _LAUNCHED,
    "ddp_fork": _LAUNCHED,
    "ddp_notebook": _LAUNCHED,
    "ddp_find_unused_parameters_true": "use ddp: a parameter that a step does not use has no gradient there, and needs no search",
    "ddp_find_unused_parameters_false": "use ddp",
    "ddp_sharded": "use zero, which deals the optimizer's state",
    "fsdp1": "torch's first FSDP needs an accelerator and names of its own: use fsdp, which is its second",
    "fsdp2": "it is called fsdp",
    "fsdp_native": "it is called fsdp",
    "fsdp_cpu_offload": _OFFLOADED,
    "model_parallel": "use {type: fsdp, mesh: {shard: 4, tp: 2}} with a plan of names: the layers of the plan are split, the rest dealt",
    "deepspeed": "use zero, which deals the optimizer's state, or fsdp, which deals the weights too",
    "deepspeed_stage_1": "use zero, which deals the optimizer's state",
    "deepspeed_stage_2": "use {type: fsdp, reshard: false}: gradients and state are dealt, weights gathered once for both passes",
    "deepspeed_stage_3": "use fsdp, which deals weights, gradients and state",
    "deepspeed_stage_1_offload": _OFFLOADED,
    "deepspeed_stage_2_offload": _OFFLOADED,
    "deepspeed_stage_3_offload": _OFFLOADED,
    "deepspeed_stage_3_offload_nvme": _OFFLOADED,
    "single_device": "it is called single, which one process has by itself",
    "horovod": "use ddp, started by launch or by mpirun (launch.type: external)",
}
"""Name → what is said of it."""
