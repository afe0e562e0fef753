"""The call of Ray Train. Imported once Ray is there, since what it defines is Ray's."""

from __future__ import annotations

import logging
from typing import Any, cast

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from trainwright.parallel.launchers.on_ray.cluster import Shares
from trainwright.parallel.launchers.on_ray.no_group import NoGroup
from trainwright.parallel.launchers.on_ray.options import RayOptions
from trainwright.parallel.launchers.on_ray.worker import work


def train_on_ray(config: dict[str, Any], options: RayOptions, shares: Shares, storage: str) -> None:
    """Run the workers to their end. Raises Ray Train's error where one failed more often than may be."""
    logging.getLogger("ray.train").setLevel(logging.INFO if options.tee else logging.ERROR)
    trainer = TorchTrainer(
        work,
        train_loop_config=config,
        torch_config=cast(TorchConfig, NoGroup()),
        scaling_config=ScalingConfig(
            num_workers=shares.workers,
            use_gpu=shares.gpus > 0,
            resources_per_worker=shares.each(),
            placement_strategy=options.placement.upper(),
        ),
        run_config=RunConfig(
            name=f"trainwright-{config['request'].token}",
            storage_path=storage,
            failure_config=FailureConfig(max_failures=options.restarts),
        ),
    )
    trainer.fit()
