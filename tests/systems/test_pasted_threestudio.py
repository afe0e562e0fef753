"""A system as people of threestudio write it: the import is another one, every other line is as it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset

import trainwright as tw
from trainwright.adapters import threestudio
from trainwright.adapters.threestudio import BaseLift3DSystem, BaseModule, BaseObject, BaseSystem, Updateable
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.own_parts import PARTS

SIZE = 6
NAMED: list[tuple[str, Any]] = []
"""What is registered while these tests run; other tests look at all that has a name."""


def named(name: str) -> Any:
    def note(kind: Any) -> Any:
        NAMED.append((name, kind))
        return kind

    return note


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    before = dict(PARTS)
    for name, kind in NAMED:
        threestudio.register(name)(kind)
    yield
    PARTS.clear()
    PARTS.update(before)


@named("ball-geometry")
class Ball(BaseModule):
    @dataclass
    class Config(BaseModule.Config):
        width: int = 8
        grow_from: int = 2

    cfg: Config

    def configure(self) -> None:
        self.net = nn.Sequential(nn.Linear(3, self.cfg.width), nn.SiLU(), nn.Linear(self.cfg.width, 4))
        self.places: list[tuple[int, int]] = []
        self.ended = 0

    def forward(self, points):
        return self.net(points)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        super().update_step(epoch, global_step, on_load_weights)
        self.places.append((epoch, global_step))

    def update_step_end(self, epoch: int, global_step: int) -> None:
        self.ended += 1


@named("plain-material")
class Plain(BaseModule):
    @dataclass
    class Config(BaseModule.Config):
        brightness: float = 1.0

    cfg: Config

    def forward(self, features):
        return torch.sigmoid(features[..., :3]) * self.cfg.brightness


@named("grey-background")
class Grey(BaseModule):
    @dataclass
    class Config(BaseModule.Config):
        learned: bool = False

    cfg: Config

    def configure(self) -> None:
        self.shade = nn.Parameter(torch.tensor(0.5))

    def forward(self, dirs):
        return self.shade.expand(*dirs.shape[:-1], 3)


@named("thin-renderer")
class Renderer(BaseModule):
    @dataclass
    class Config(BaseModule.Config):
        radius: float = 1.0

    cfg: Config

    def configure(self, geometry, material, background) -> None:
        self.parts = SimpleNamespace(geometry=geometry, material=material, background=background)

    def forward(self, rays_d):
        features = self.parts.geometry(rays_d * self.cfg.radius)
        opacity = torch.sigmoid(features[..., 3:])
        rgb = opacity * self.parts.material(features) + (1 - opacity) * self.parts.background(rays_d)
        return {"comp_rgb": rgb, "opacity": opacity}


@named("known-guidance")
class Guidance(BaseObject):
    @dataclass
    class Config(BaseObject.Config):
        scale: float = 1.0

    cfg: Config

    def configure(self) -> None:
        self.net = nn.Linear(3, 3)

    def __call__(self, rgb, target):
        return {"loss_fit": self.cfg.scale * F.mse_loss(rgb, target)}


@named("thin-system")
class Thin(BaseLift3DSystem):
    @dataclass
    class Config(BaseLift3DSystem.Config):
        tint: float = 0.25
        stages: dict = field(default_factory=dict)

    cfg: Config

    def configure(self) -> None:
        super().configure()
        self.heard: list[Any] = []

    def post_configure(self) -> None:
        self.heard.append("post_configure")

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.guidance = threestudio.find(self.cfg.guidance_type)(self.cfg.guidance)
        self.heard.append("on_fit_start")

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**self.renderer(batch["rays_d"])}

    def training_step(self, batch, batch_idx):
        out = self(batch)
        loss = 0.0
        for name, value in self.guidance(out["comp_rgb"], batch["rgb"]).items():
            self.log(f"train/{name}", value)
            if name.startswith("loss_"):
                loss += value * self.C(self.cfg.loss[name.replace("loss_", "lambda_")])
        loss_opaque = out["opacity"].mean()
        self.log("train/loss_opaque", loss_opaque, prog_bar=True)
        loss += loss_opaque * self.C(self.cfg.loss.lambda_opaque)
        for name, value in self.cfg.loss.items():
            self.log(f"train_params/{name}", self.C(value))
        self.heard.append(("step", batch_idx, self.true_global_step, self.true_current_epoch))
        return {"loss": loss}

    def on_train_batch_end(self, outputs, batch, batch_idx) -> None:
        self.heard.append(("end", batch_idx, float(outputs["loss"])))

    def on_before_optimizer_step(self, optimizer) -> None:
        self.rates = {group["name"]: group["lr"] for group in optimizer.param_groups}

    def validation_step(self, batch, batch_idx):
        out = self(batch)
        self.log("val/mse", F.mse_loss(out["comp_rgb"], batch["rgb"]))
        image = out["comp_rgb"][0]
        self.save_image_grid(
            f"it{self.true_global_step}-{batch['index'][0]}.png",
            [
                {"type": "rgb", "img": image, "kwargs": {"data_format": "HWC"}},
                {"type": "grayscale", "img": out["opacity"][0, :, :, 0], "kwargs": {"cmap": None, "data_range": (0, 1)}},
            ],
            name="validation_step",
            step=self.true_global_step,
        )
        self.heard.append(("validation", batch_idx))

    def on_validation_epoch_end(self):
        self.log("val/shade", self.background.shade)

    def test_step(self, batch, batch_idx):
        self.save_image(f"test/{batch['index'][0]}.png", (self(batch)["comp_rgb"][0] * 255).byte().cpu().numpy())
        self.heard.append(("test", batch_idx, self.true_global_step))

    def on_test_epoch_end(self):
        self.save_json("tested.json", {"step": self.true_global_step})


class Views(Dataset):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        rays_d = F.normalize(torch.randn(SIZE, SIZE, 3, generator=torch.Generator().manual_seed(index)), dim=-1)
        return {"index": index, "rays_d": rays_d, "rgb": (rays_d > 0).float() * 0.8 + 0.1}


OPTIONS: dict[str, Any] = {
    "geometry_type": "ball-geometry",
    "geometry": {"width": 16},
    "material_type": "plain-material",
    "background_type": "grey-background",
    "renderer_type": "thin-renderer",
    "renderer": {"radius": 2.0},
    "guidance_type": "known-guidance",
    "guidance": {"scale": 2.0},
    "loggers": {"wandb": {"enable": False, "project": "threestudio"}},
    "loss": {"lambda_fit": 1.0, "lambda_opaque": [0, 0.1, 0.0, 20]},
    "optimizer": {"name": "Adam", "args": {"betas": [0.9, 0.99]}, "params": {"geometry.net": {"lr": 0.02}, "background": {"lr": 0.005}}},
    "scheduler": {"name": "ExponentialLR", "interval": "step", "args": {"gamma": 0.99}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("thin") / "run"
    system, loaders = Thin(OPTIONS), [DataLoader(Views(count), batch_size=1) for count in (12, 2, 3)]
    done = tw.fit(system, *loaders, run_dir=folder, console=False, max_steps=24, evaluation={"report": False})
    return SimpleNamespace(system=system, folder=folder, metrics=done.metrics)


def test_it_is_trained_by_its_optimizer_and_what_it_logs_is_in_the_rows(run: Any) -> None:
    with open(run.folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train/loss_fit"]) < 0.9 * float(rows[0]["train/loss_fit"])
    assert float(rows[0]["train_params/lambda_fit"]) == 1.0 and 0 < float(rows[0]["train_params/lambda_opaque"]) < 0.1
    assert 0 < float(rows[-1]["train/loss_opaque"]) < 1
    assert run.system.rates == pytest.approx({"geometry.net": 0.02 * 0.99**23, "background": 0.005 * 0.99**23})
    shade = run.metrics["validation"]["val/shade"]
    assert set(run.metrics["validation"]) == {"val/mse", "val/shade"} and shade == pytest.approx(run.system.background.shade.item())


def test_its_steps_and_hooks_are_called_in_their_order_with_their_arguments(run: Any) -> None:
    heard = run.system.heard
    assert heard[:2] == ["post_configure", "on_fit_start"]
    steps = [each[1:] for each in heard if each[0] == "step"]
    assert steps == [(step % 12, step, step // 12) for step in range(24)]
    assert [each[1] for each in heard if each[0] == "end"] == [step % 12 for step in range(24)]
    assert heard[-5:] == [("validation", 0), ("validation", 1), ("test", 0, 24), ("test", 1, 24), ("test", 2, 24)]
    told = list(dict.fromkeys(run.system.geometry.places))
    assert (told[:3], told[-1], run.system.geometry.ended) == ([(0, 0), (0, 1), (0, 2)], (2, 24), 24)


def test_what_it_saves_is_in_the_media_of_the_run(run: Any) -> None:
    saved = {path.relative_to(run.folder / "media").as_posix() for path in (run.folder / "media").rglob("*.*")}
    grids = {"it0-0.png", *(f"it{step}-{row}.png" for step in (12, 24) for row in (0, 1))}  # one row was tried before the first step
    assert saved == {"tested.json", *(f"test/{row}.png" for row in range(3))} | grids
    assert json.loads((run.folder / "media/tested.json").read_text()) == {"step": 24}


def changed(**options: Any) -> dict[str, Any]:
    return {**OPTIONS, **options}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (changed(geometry_type=""), "the system has no geometry.*@threestudio.register"),
        (changed(geometry_type="ball-geometri"), "ball-geometry"),
        (changed(geometry_convert_from="runs/coarse"), "cannot be converted.*weights"),
        (changed(loggers={"wandb": {"enable": True}}), "'wandb' is no logger.*trackers"),
        (changed(optimizer={}), "a scheduler without an optimizer"),
        (changed(optimizer={"name": "Adm", "args": {"lr": 0.1}}), "torch has no 'Adm'.*Adam"),
        (changed(optimizer={"name": "Adam", "args": {"learning": 0.1}}), "Adam refuses its args"),
        (changed(optimizer={"name": "Adam", "params": {"geometri": {"lr": 0.1}}}), "no parameters in 'geometri'.*geometry"),
        (changed(optimizer={"name": "Adam", "params": {"material": {"lr": 0.1}}}), "no parameters in 'material'.*nothing in it is trained"),
        (changed(optimizer={"name": "Adam", "params": {"geometry": {"lrr": 0.1}}}), "Adam has no 'lrr'.*'lr'"),
        (changed(optimizer={"name": "Adam", "params": {"geometry": 0.1}}), "0.1 are no arguments"),
        (changed(scheduler={"name": "ExponentialLR", "interval": "steps"}), "'steps' is no interval"),
        (changed(tinted=1), "unknown option 'tinted'"),
    ],
)
def test_a_mistake_in_its_options_is_told_before_anything_is_written(options: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        tw.fit(Thin(options), DataLoader(Views(2), batch_size=1), run_dir=tmp_path / "run", console=False, max_steps=1)
    assert not (tmp_path / "run").exists()


def test_several_schedulers_are_one() -> None:
    system = Thin(OPTIONS)
    system.build(None)
    halves = [{"name": "ConstantLR", "args": {"factor": 0.5, "total_iters": 9}}, {"name": "ExponentialLR", "args": {"gamma": 0.5}}]
    optimizer = threestudio.parse_optimizer({"name": "SGD", "args": {"lr": 1.0}}, system)
    found = threestudio.parse_scheduler({"name": "SequentialLR", "interval": "step", "milestones": [2], "schedulers": halves}, optimizer)
    assert (type(found["scheduler"]).__name__, found["interval"]) == ("SequentialLR", "step")
    chained = threestudio.parse_scheduler({"name": "Chained", "schedulers": halves}, optimizer)
    assert (type(chained["scheduler"]).__name__, chained["interval"]) == ("ChainedScheduler", "epoch")


class Small(BaseSystem):
    @dataclass
    class Config(BaseSystem.Config):
        width: int = 3

    cfg: Config

    def configure(self):
        self.net = nn.Linear(2, 1)
        self.heard = []

    def training_step(self, batch, batch_idx):
        self.heard.append(batch_idx)
        return {"loss": self.net(batch["input"]).pow(2).mean()}


class Below(Small):
    def training_step(self, batch, batch_idx):
        return {"loss": 2 * super().training_step(batch, batch_idx)["loss"]}


class Mixin:
    def training_step(self, batch, batch_idx):
        self.heard.append("mixin")
        return super().training_step(batch, batch_idx)  # type: ignore[misc]


class Mixed(Mixin, Small):
    pass


class Ours(Small):
    def training_step(self, batch, context):
        self.heard.append((context.step, context.epoch))
        return self.net(batch["input"]).pow(2).mean()

    def on_train_epoch_end(self, session):
        self.heard.append(session.step)


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        (Small, [0, 1, 0]),
        (Below, [0, 1, 0]),
        (Mixed, ["mixin", 0, "mixin", 1, "mixin", 0]),
        (Ours, [(0, 0), (1, 0), 2, (2, 1)]),
    ],
)
def test_steps_and_hooks_may_be_inherited_mixed_in_and_written_as_ours(kind: Any, heard: list[Any]) -> None:
    system = kind()
    done = tw.fit(system, {"input": torch.randn(8, 2)}, run_dir=None, console=False, max_steps=3, batch_size=4)
    assert system.heard[: len(heard)] == heard and done.metrics["train"]["loss"] > 0


def test_a_step_may_be_called_by_hand_and_extremes_are_not_logged_as_means() -> None:
    system = Small()
    system.build(None)
    assert system.training_step({"input": torch.ones(1, 2)}, 7)["loss"].requires_grad and system.heard == [7]
    with pytest.raises(TrainwrightError, match="cannot be logged as its max"):
        system.log("x", 1.0, reduce_fx="max")
    assert (system.true_global_step, system.true_current_epoch, system.device) == (0, 0, torch.device("cpu"))


def test_small_functions_of_theirs_are_there() -> None:
    @dataclass
    class Options:
        size: int = 3
        inner: dict = field(default_factory=dict)

    found = threestudio.parse_structured(Options, {"size": 4, "inner": {"a": {"b": 1}}})
    assert isinstance(found, Options) and (found.size, found.inner.a.b) == (4, 1)
    with pytest.raises(ConfigError, match="unknown option 'sise'"):
        threestudio.parse_structured(Options, {"sise": 4})
    assert threestudio.C([0, 1.0, 0.0, 10], 0, 5) == 0.5 and threestudio.get_device() == torch.device("cpu")


@dataclass
class RaysConfig:
    rows: int = 4
    batches: int = 3


class Rays(IterableDataset, Updateable):
    def __init__(self, cfg: RaysConfig) -> None:
        super().__init__()
        self.cfg, self.steps = cfg, []

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        self.steps.append(global_step)

    def __iter__(self) -> Any:
        for _ in range(self.cfg.batches):
            yield {}

    def collate(self, batch: Any) -> Any:
        assert self.steps, "a batch is made before its step is told"
        return {"input": torch.ones(self.cfg.rows, 2)}


class RaysData(lightning.LightningDataModule):
    cfg: RaysConfig

    def __init__(self, cfg: Any = None) -> None:
        super().__init__()
        self.cfg = threestudio.parse_structured(RaysConfig, cfg)

    def setup(self, stage: Any = None) -> None:
        self.rays = Rays(self.cfg)

    def train_dataloader(self) -> Any:
        return DataLoader(self.rays, num_workers=0, batch_size=None, collate_fn=self.rays.collate)


def test_a_data_module_with_a_cfg_makes_its_batches_for_the_step() -> None:
    data = RaysData({"rows": 5})
    system = Small()
    tw.fit(system, data, run_dir=None, console=False, max_steps=3)
    assert system.heard == [0, 1, 2] and data.rays.steps[-1] == 2 and sorted(set(data.rays.steps)) == [0, 1, 2]
    with pytest.raises(ConfigError, match="unknown option 'row'"):
        RaysData({"row": 5})
