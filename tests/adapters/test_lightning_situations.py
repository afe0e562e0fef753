"""What Lightning trains in one process trains here unchanged: a table of kinds of modules, loaders and options, each trained by both."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import trainwright as tw
from trainwright.config.errors import TrainwrightError

KINDS: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {}
"""Name of a kind → what makes (module, arguments of both fits)."""
REFUSED: dict[str, str] = {}
"""Name of a kind that cannot be taken unchanged → the words of its refusal."""


@functools.cache
def lightning() -> Any:
    """Takes seconds to import, so only once a test asks."""
    return pytest.importorskip("lightning.pytorch")


class Numbers(Dataset[Tensor]):
    """Rows of four numbers, always the same."""

    def __init__(self, count: int = 16, seed: int = 0) -> None:
        self.rows = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Tensor:
        return self.rows[row]


class Stream(IterableDataset[Tensor]):
    """The same, without a length."""

    def __iter__(self) -> Iterator[Tensor]:
        yield from Numbers().rows


class OwnLoader:
    """A class of one's own that can be gone through again, without a length."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self.loader)


class UnsureLoader(OwnLoader):
    """One whose length is not written."""

    def __len__(self) -> int:
        raise NotImplementedError


class ItsOwnIterator(OwnLoader):
    """One that is its own iterator, and begins anew when it is asked for one."""

    def __iter__(self) -> Any:
        self.passed = iter(self.loader)
        return self

    def __next__(self) -> Any:
        return next(self.passed)


class Endless(OwnLoader):
    """One that never ends."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield from self.loader


def loader(count: int = 16, seed: int = 0, size: int = 4) -> Any:
    return DataLoader(Numbers(count, seed), batch_size=size)


@functools.cache
def base() -> Any:
    class Plain(lightning().LightningModule):
        """A layer whose outputs are drawn to one; its validation step gives what no monitor knows."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def loss(self, batch: Tensor) -> Tensor:
            return (self.layer(batch) - 1).square().mean()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return {"loss": self.loss(batch)}

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return {"x": self.loss(batch)}

        def test_step(self, batch: Any, batch_idx: int) -> Any:
            return {"y": self.loss(batch)}

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=1)]

        def train_dataloader(self) -> Any:
            return loader()

        def val_dataloader(self) -> Any:
            return loader(8, 1)

        def test_dataloader(self) -> Any:
            return loader(8, 2)

    return Plain


def made(methods: dict[str, Any], **attributes: Any) -> Any:
    """The module with other methods, and attributes of the object."""
    torch.manual_seed(1)
    module = type("Module", (base(),), methods)()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def kind(name: str, refused: str = "", **options: Any) -> Callable[[Any], Any]:
    """Enter a function in the table that gives the methods of a module, or (methods, arguments of the fits)."""

    def enter(make: Callable[[], Any]) -> Any:
        def both() -> tuple[Any, dict[str, Any]]:
            found = make()
            methods, more = found if isinstance(found, tuple) else (found, {})
            attributes = more.pop("attributes", {})
            return made(methods, **attributes), {"max_epochs": 2, **options, **more}

        KINDS[name] = both
        if refused:
            REFUSED[name] = refused
        return make

    return enter


# the length of the run, and when it is measured


@kind("validation that measures nothing")
def _quiet() -> Any:
    return {}


@kind("one step", max_steps=1, max_epochs=None)
def _one_step() -> Any:
    return {}


@kind("steps over several epochs", max_steps=10, max_epochs=None)
def _steps() -> Any:
    return {}


@kind("a part of each epoch", limit=2, max_epochs=3)
def _limited() -> Any:
    return {}


@kind("joined batches", accumulate=2)
def _joined() -> Any:
    return {}


@kind("measured now and then", evaluate_every="2 epochs", max_epochs=4)
def _now_and_then() -> Any:
    return {}


@kind("nothing that a run could be measured on")
def _no_validation() -> Any:
    return {"val_dataloader": None, "test_dataloader": None}


def every(frequency: int) -> Any:
    def configure_optimizers(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": frequency}}

    return {"configure_optimizers": configure_optimizers}


kind("a scheduler of every third of four batches", max_epochs=3)(functools.partial(every, 3))
kind("a scheduler of every fourth batch, joined by two", accumulate=2, max_epochs=3)(functools.partial(every, 4))


@kind("a scheduler of every third batch, beside an optimizer_step of one's own", max_epochs=3)
def _every_played() -> Any:
    def optimizer_step(self: Any, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        optimizer.step(closure=optimizer_closure)

    return every(3) | {"optimizer_step": optimizer_step}


# methods and loaders that are not there


@kind("methods set to none on the object")
def _none_methods() -> Any:
    return {}, {"attributes": {"validation_step": None, "test_step": None, "on_train_start": None, "val_dataloader": None}}


@kind("a validation step without data, data without a validation step")
def _half() -> Any:
    return {"validation_step": None, "test_dataloader": lambda self: None}


@kind("loaders given by hand")
def _by_hand() -> Any:
    return {"train_dataloader": None, "val_dataloader": None}, {"train": loader(), "validation": loader(8, 1)}


@kind("a data module")
def _datamodule() -> Any:
    class Data(lightning().LightningDataModule):
        val_dataloader = None

        def train_dataloader(self) -> Any:
            return loader(seed=3)

    return {}, {"train": Data()}


# loaders of other forms


@kind("a stream without a length")
def _stream() -> Any:
    return {"train_dataloader": lambda self: DataLoader(Stream(), batch_size=4)}


@kind("a stream without a length, by steps", max_steps=6, max_epochs=None)
def _stream_by_steps() -> Any:
    return {"train_dataloader": lambda self: DataLoader(Stream(), batch_size=4)}, {"validation": [DataLoader(Stream(), batch_size=4)]}


@kind("a loader of one's own class")
def _own_loader() -> Any:
    return {"train_dataloader": lambda self: OwnLoader(loader()), "val_dataloader": lambda self: UnsureLoader(loader(8, 1))}


@kind("a loader that is its own iterator")
def _own_iterator() -> Any:
    return {"train_dataloader": lambda self: ItsOwnIterator(loader())}


@kind("a loader without an end", max_steps=6, max_epochs=None)
def _endless() -> Any:
    return {"train_dataloader": lambda self: Endless(loader()), "val_dataloader": None}


@kind("a part of a loader without an end", limit=3)
def _endless_part() -> Any:
    return {"train_dataloader": lambda self: Endless(loader())}


@kind("a generator", refused="a generator has no length")
def _generator() -> Any:
    return {"train_dataloader": lambda self: (batch for batch in loader())}


@kind("no row at all", refused="there are no train rows")
def _empty() -> Any:
    return {"train_dataloader": lambda self: DataLoader(IterList([]), batch_size=4)}


class IterList(IterableDataset[Any]):
    """A list as a stream."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def in_structure(structure: str, mode: str = "") -> Any:
    """Training loaders of different lengths in a list, a mapping or both."""
    short, long = loader(8, 1), loader(20, 2)
    found = {
        "list": [short, long],
        "tuple": (long, short),
        "mapping": {"a": short, "b": long},
        "nested": {"a": [short, loader(16, 3)], "b": long},
        "list of one": [long],
        "mapping of one": {"a": long},
    }[structure]
    if mode:
        from lightning.pytorch.utilities import CombinedLoader

        return CombinedLoader(found, mode)
    return found


def several(structure: str, mode: str = "") -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        leaves, _ = torch.utils._pytree.tree_flatten(batch)
        return sum(self.loss(each) * (place + 1) for place, each in enumerate(leaves) if each is not None)

    return {"training_step": training_step, "train_dataloader": lambda self: in_structure(structure, mode)}


for _structure in ("list", "tuple", "mapping", "nested", "list of one", "mapping of one"):
    kind(f"training loaders: {_structure}")(functools.partial(several, _structure))
for _mode in ("min_size", "max_size_cycle", "max_size"):
    kind(f"training loaders combined: {_mode}")(functools.partial(several, "mapping", _mode))
kind("training loaders combined: sequential", refused="training loaders cannot be combined as 'sequential'")(
    functools.partial(several, "list", "sequential")
)


@kind("a part of several training loaders", limit=3)
def _limited_several() -> Any:
    return several("nested", "max_size")


def validated(self: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
    self.seen = [*getattr(self, "seen", []), (dataloader_idx, batch_idx)]
    self.log("far", self.loss(batch) + dataloader_idx)


@kind("several loaders to validate on")
def _several_validation() -> Any:
    def configure_optimizers(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.3)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.9)
        return {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "far/dataloader_idx_1"}

    methods = {"validation_step": validated, "val_dataloader": lambda self: [loader(8, 1), loader(12, 2)]}
    return methods | {"configure_optimizers": configure_optimizers}, {"max_epochs": 4}


@kind("several loaders to validate on, whose ends are joined")
def _several_joined() -> Any:
    def validation_step(self: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        assert batch_idx < (2, 3)[dataloader_idx]
        self.far = getattr(self, "far", {})
        self.far.setdefault(dataloader_idx, []).append(self.loss(batch))

    def on_validation_epoch_end(self: Any) -> None:
        self.log("far", torch.stack(self.far[0]).mean() + torch.stack(self.far[1]).mean())
        self.far.clear()

    methods = {"validation_step": validation_step, "on_validation_epoch_end": on_validation_epoch_end}
    return methods | {"val_dataloader": lambda self: [loader(8, 1), loader(12, 2)]}


@kind("a part of several loaders to validate on", limit=2)
def _several_validation_limited() -> Any:
    return {"validation_step": validated, "val_dataloader": lambda self: {"a": loader(12, 1), "b": loader(12, 2)}}


@kind("several loaders to validate on, given by hand, and one by one")
def _several_by_hand() -> Any:
    return {"validation_step": validated, "train_dataloader": None}, {"train": loader(), "validation": [loader(8, 1), loader(8, 2)]}


@kind("loaders to validate on at once")
def _combined_validation() -> Any:
    from lightning.pytorch.utilities import CombinedLoader

    def validation_step(self: Any, batch: Any, batch_idx: int) -> None:
        self.log("far", self.loss(batch["a"]) + self.loss(batch["b"]))

    return {
        "validation_step": validation_step,
        "val_dataloader": lambda self: CombinedLoader({"a": loader(8, 1), "b": loader(12, 2)}, "max_size_cycle"),
    }


# steps that fetch their batches


def one_rate(self: Any) -> Any:
    """No scheduler: Lightning steps none at the end of an epoch that such a step cut short, and here it is one all the same."""
    return torch.optim.SGD(self.parameters(), lr=0.1)


@kind("steps that fetch their batches")
def _fetched() -> Any:
    def training_step(self: Any, dataloader_iter: Any) -> Any:
        self.log("a", 1.0, batch_size=4)
        return self.loss(next(dataloader_iter)[0])

    def validation_step(self: Any, dataloader_iter: Any) -> Any:
        self.loss(next(dataloader_iter)[0])

    return {"training_step": training_step, "validation_step": validation_step}


def fetched_ahead(self: Any, dataloader_iter: Any) -> Any:
    """Has the next batch on its way while it trains on the one before."""
    if getattr(self, "ahead", None) is None:
        self.ahead = next(dataloader_iter)[0]
    batch, self.ahead = self.ahead, next(dataloader_iter, (None,))[0]
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward(self.loss(batch))
    optimizer.step()


@kind("steps that fetch one batch ahead")
def _ahead() -> Any:
    return {"training_step": fetched_ahead}, {"attributes": {"automatic_optimization": False}}


@kind("steps that fetch several batches")
def _fetched_several() -> Any:
    def training_step(self: Any, dataloader_iter: Any) -> Any:
        return sum(self.loss(next(dataloader_iter)[0]) for _ in range(2))

    return {"training_step": training_step, "validation_step": None, "configure_optimizers": one_rate}


@kind("steps that end the epoch")
def _ended() -> Any:
    def training_step(self: Any, dataloader_iter: Any) -> Any:
        batch, number, _ = next(dataloader_iter)
        if number == 2:
            raise StopIteration
        return self.loss(batch)

    return {"training_step": training_step, "configure_optimizers": one_rate}


# what steps give, and log


@kind("steps that never give a loss", max_steps=6, max_epochs=None)
def _never() -> Any:
    return {"training_step": lambda self, batch, batch_idx: None}


@kind("steps that sometimes give a loss", max_steps=6, max_epochs=None)
def _sometimes() -> Any:
    return {"training_step": lambda self, batch, batch_idx: None if batch_idx % 2 else self.loss(batch)}


@kind("an epoch that a hook cuts short", max_epochs=3)
def _cut_short() -> Any:
    return {"on_train_batch_start": lambda self, batch, batch_idx: -1 if batch_idx == 2 else None}


def logs(reduce: Any) -> Any:
    """Logs by a reduction, which a scheduler hears."""

    def training_step(self: Any, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("a", float(batch_idx % 3), on_step=True, on_epoch=True, reduce_fx=reduce)
        return loss

    def configure_optimizers(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "a"}}

    return {"training_step": training_step, "configure_optimizers": configure_optimizers}, {"max_epochs": 4}


for _reduce in ("AVG", "Max", max, torch.min, torch.sum):
    kind(f"values reduced by {_reduce if isinstance(_reduce, str) else f'{_reduce.__module__}.{_reduce.__name__}'}")(
        functools.partial(logs, _reduce)
    )


@kind("values logged in every hook that may")
def _logged_everywhere() -> Any:
    def log_in(name: str) -> Any:
        return lambda self, *arguments: self.log(name, 1.0)

    hooks = ("train_epoch_start", "train_batch_end", "train_epoch_end", "validation_epoch_end", "validation_batch_end")
    return {f"on_{name}": log_in(name) for name in hooks}


@kind("batches of several kinds", max_steps=4, max_epochs=None)
def _kinds_of_batches() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        self.log("a", 1.0, batch_size=4)
        return {"loss": self.loss(batch["rows"][0]), "more": batch["word"]}

    def collate(rows: list[Tensor]) -> Any:
        return {"word": "x", "rows": [torch.stack(rows), len(rows)]}

    return {
        "training_step": training_step,
        "train_dataloader": lambda self: DataLoader(Numbers(), batch_size=4, collate_fn=collate),
    }


@kind("modes as hooks see them")
def _modes() -> Any:
    def on_train_start(self: Any) -> None:
        assert self.training

    def on_validation_start(self: Any) -> None:
        assert not self.training

    def on_train_batch_start(self: Any, batch: Any, batch_idx: int) -> None:
        assert self.training

    return {each.__name__: each for each in (on_train_start, on_validation_start, on_train_batch_start)}


# optimizers


@kind("no optimizer")
def _no_optimizer() -> Any:
    return {"configure_optimizers": lambda self: None}


@kind("an optimizer of another module", refused="an optimizer holds parameters that are not the system's")
def _other_module() -> Any:
    other = nn.Linear(4, 2)
    return {"configure_optimizers": lambda self: torch.optim.SGD(other.parameters(), lr=0.1)}


@kind("keys of a scheduler that mean nothing")
def _strange_keys() -> Any:
    def configure(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = {"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1), "foo": 1, "bar": 2}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    return {"configure_optimizers": configure}


class Halving:
    """A scheduler that is none of torch's, without a state."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def step(self, epoch: int) -> None:
        self.optimizer.param_groups[0]["lr"] *= 0.5

    def state_dict(self) -> Any:
        return None

    def load_state_dict(self, state: Any) -> None:
        pass


@kind("a scheduler of one's own", max_epochs=3)
def _own_scheduler() -> Any:
    def configure(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": Halving(optimizer)}}

    return {
        "configure_optimizers": configure,
        "lr_scheduler_step": lambda self, scheduler, metric: scheduler.step(epoch=self.current_epoch),
    }


@kind("a plateau that hears steps", max_epochs=3)
def _plateau_of_steps() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        self.log("foo", float(batch_idx))
        return self.loss(batch)

    def configure(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "foo", "interval": "step"}}

    return {"training_step": training_step, "configure_optimizers": configure}


class UnderNoGrad(torch.optim.SGD):
    """An optimizer whose step wants a closure, and calls it without a graph."""

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        with torch.no_grad():
            found = closure()
        super().step()
        return found


@kind("an optimizer that evaluates the loss itself")
def _lbfgs() -> Any:
    return {"configure_optimizers": lambda self: torch.optim.LBFGS(self.parameters(), lr=0.1)}


@kind("an optimizer that calls its closure without a graph")
def _no_grad() -> Any:
    return {"configure_optimizers": lambda self: UnderNoGrad(self.parameters(), lr=0.1)}


# what is overridden of a step


@kind("an optimizer_step of one's own, LBFGS under it")
def _played_lbfgs() -> Any:
    def optimizer_step(self: Any, epoch: int, batch_idx: int, optimizer: Any, closure: Any = None) -> None:
        optimizer.step(closure)

    return {"optimizer_step": optimizer_step, **_lbfgs()}


@kind("clipping of one's own", clip={"norm": 0.05})
def _clipped() -> Any:
    def configure_gradient_clipping(self: Any, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None) -> None:
        assert gradient_clip_val == 0.05
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    return {"configure_gradient_clipping": configure_gradient_clipping}


@kind("joined batches in an optimizer_step of one's own", accumulate=2)
def _played_joined() -> Any:
    def optimizer_step(self: Any, epoch: int, batch_idx: int, optimizer: Any, closure: Any = None) -> None:
        optimizer.step(closure=closure)

    return {"optimizer_step": optimizer_step}


# manual optimization


def by_hand(step: Any, configure: Any) -> Any:
    return {"training_step": step, "configure_optimizers": configure}, {"attributes": {"automatic_optimization": False}}


def two(self: Any) -> Any:
    """Two optimizers of the same parameters, and schedulers."""
    first, second = torch.optim.SGD(self.layer.parameters(), lr=0.1), torch.optim.Adam(self.layer.parameters(), lr=0.01)
    return [first, second], [torch.optim.lr_scheduler.StepLR(each, 1, 0.5) for each in (first, second)]


@kind("two optimizers of one parameter")
def _shared() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        for place, optimizer in enumerate(self.optimizers()):
            loss = self.loss(batch) * (place + 1)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.log("a", loss, on_epoch=True)
        for scheduler in self.lr_schedulers():
            scheduler.step()
        return None

    return by_hand(training_step, two)


@kind("closures given by hand, at different frequencies")
def _closures() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        first, second = self.optimizers()

        def closure() -> Any:
            loss = self.loss(batch)
            first.zero_grad()
            self.manual_backward(loss)
            return loss

        first.step(closure=closure)
        if batch_idx % 2:
            second.step(closure=closure)
        return {"anything": torch.zeros(2, 2)}

    return by_hand(training_step, two)


@kind("gradients gathered by hand")
def _gathered() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        optimizer = self.optimizers()
        self.manual_backward(self.loss(batch))
        if batch_idx % 2:
            optimizer.step()
            optimizer.zero_grad()

    return by_hand(training_step, lambda self: torch.optim.SGD(self.parameters(), lr=0.1))


@kind("LBFGS by hand")
def _lbfgs_by_hand() -> Any:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        optimizer = self.optimizers()

        def closure() -> Any:
            optimizer.zero_grad()
            loss = self.loss(batch)
            self.manual_backward(loss)
            return loss

        optimizer.step(closure)

    return by_hand(training_step, lambda self: torch.optim.LBFGS(self.parameters(), lr=0.1))


@kind("clipping asked of steps by hand", refused="clip cannot be used with manual optimization", clip={"norm": 1.0})
def _clip_by_hand() -> Any:
    return _gathered()


@kind("no epoch at all", refused="trainer.max_epochs: 0 is not at least 1", max_epochs=0)
def _no_epoch() -> Any:
    return {}


# both


def by_lightning(module: Any, folder: Path, *, train: Any = None, validation: Any = None, **options: Any) -> None:
    given = {"max_epochs": options["max_epochs"], "accumulate_grad_batches": options.get("accumulate", 1)}
    if "limit" in options:
        given |= {"limit_train_batches": options["limit"], "limit_val_batches": options["limit"]}
    if "max_steps" in options:
        given["max_steps"] = options["max_steps"]
    if "clip" in options:
        given["gradient_clip_val"] = options["clip"]["norm"]
    if "evaluate_every" in options:
        given["check_val_every_n_epoch"] = int(options["evaluate_every"].split()[0])
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning().Trainer(accelerator="cpu", devices=1, default_root_dir=folder, **quiet, **given)
    if train is not None and hasattr(train, "train_dataloader"):
        trainer.fit(module, datamodule=train)
    else:
        trainer.fit(module, train, validation)


def by_us(module: Any, folder: Path, *, train: Any = None, validation: Any = None, **options: Any) -> Any:
    given = {name: value for name, value in options.items() if name not in ("limit", "accumulate") and value is not None}
    given |= {"limit_batches": options["limit"]} if "limit" in options else {}
    given |= {"accumulation": options["accumulate"]} if "accumulate" in options else {}
    quiet: dict[str, Any] = {"evaluation": {"history": "none", "report": False}, "console": False, "trackers": []}
    return tw.fit(module, train, validation, run_dir=folder / "run", checkpoint={"keep_last": 1}, **quiet, **given)


@pytest.mark.parametrize("name", list(KINDS))
def test_what_lightning_trains_ends_with_the_same_weights_or_is_refused_in_these_words(name: str, tmp_path: Path) -> None:
    mine, options = KINDS[name]()
    if name in REFUSED:
        with pytest.raises(TrainwrightError, match=REFUSED[name]):
            by_us(mine, tmp_path, **options)
        assert not (tmp_path / "run").exists()
        return
    theirs, before = copy.deepcopy(mine), copy.deepcopy(mine.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_lightning(theirs, tmp_path, **KINDS[name]()[1])
    by_us(mine, tmp_path, **options)
    for key, tensor in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[key], tensor, rtol=1e-6, atol=1e-7)
    still = all(torch.equal(before[key], tensor) for key, tensor in mine.state_dict().items())
    assert still == (name in ("no optimizer", "steps that never give a loss"))
    if hasattr(theirs, "seen"):
        loaders = len({loader for loader, _ in theirs.seen})  # theirs tries two batches of each, ours one
        assert mine.seen[:loaders] == [(each, 0) for each in range(loaders)]
        assert mine.seen[loaders:] == theirs.seen[2 * loaders :]


NOT_TRIED = ("insides of Lightning's trainer", "restarts of Lightning's own")
"""Of these no row is made: what tests read of the inside of a trainer, and runs that are killed and begun again by it."""


def situations() -> list[tuple[str, int, str]]:
    """Name of a test in Lightning's own suite, how many fits it makes that Lightning trains, and the kind they are."""
    lines = (Path(__file__).parent / "lightning_situations.tsv").read_text(encoding="utf-8").splitlines()
    return [(name, int(fits), of_kind) for name, fits, of_kind in (line.split("\t") for line in lines[1:])]


def test_every_situation_is_of_a_kind_and_nearly_all_are_trained() -> None:
    found = situations()
    assert not {of_kind for *_, of_kind in found} - set(KINDS) - set(NOT_TRIED)
    fits = sum(count for _, count, _ in found)
    trained = sum(count for _, count, of_kind in found if of_kind in KINDS and of_kind not in REFUSED)
    assert trained >= 0.95 * fits
