"""`data.transform` of data for systems of one's own: samples in workers and batches on the device, by part, and what is refused."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

import trainwright as tw
from trainwright.config.choice import choose
from trainwright.config.errors import RequestError
from trainwright.data.datasets import chain_of, make_data
from trainwright.data.rows import Rows
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.data.transforms.own import OwnTransforms, transform_samples

CODE = '''
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Shapes(Dataset):
    """Squares of 10 × 10 pixels with a bar across (1) or along (0)."""

    def __init__(self, n):
        generator = torch.Generator().manual_seed(n)
        self.noise, self.n = torch.randn(n, 10, 10, generator=generator), n

    def __len__(self):
        return self.n

    def __getitem__(self, row):
        picture = 0.3 * self.noise[row]
        picture[5] += row % 2
        picture[:, 5] += 1 - row % 2
        return picture, row % 2


def pictures(n: int = 96):
    return {"train": Shapes(n), "validation": Shapes(24)}


def loaders(n: int = 96):
    return {"train": DataLoader(Shapes(n), batch_size=16), "validation": DataLoader(Shapes(24), batch_size=16)}


class Classic(Dataset):
    """Takes a transform by itself, as torchvision's do."""

    def __init__(self, transform=None):
        self.transform = transform
        self.train = Shapes(8)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(64, 2)

    def forward(self, x):
        return self.net(x.flatten(1))


def noise(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def flip_both(sample):
    picture, kind = sample
    return picture.T, 1 - kind


def nothing(x):
    pass


def cut(x):
    return x[..., :8, :8]


class Counting:
    calls = 0

    def __call__(self, x):
        Counting.calls += 1
        return x + Counting.calls
'''


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("own") / "own.py"
    file.write_text(CODE)
    return file


def chain(code: Path, *transforms: Any, data: str = "pictures") -> list[Any]:
    """The options of some transforms, names in the file written in full."""
    own = [{**each, "type": f"{code}:{each['type'][2:]}"} if each.get("type", "").startswith("./") else each for each in transforms]
    return chain_of(choose("dataset", {"type": f"{code}:{data}", "transform": own}))


def test_samples_are_transformed_by_part_and_by_row(code: Path) -> None:
    data = make_data(choose("dataset", {"type": f"{code}:pictures", "n": 6})).splits["train"]
    assert data[1][0].shape == (10, 10)
    wanted = chain(code, {"random_crop": [8, 8]}, {"center_crop": [8, 8]}, {"type": "./flip_both", "of": "all"})
    made = transform_samples(data, wanted, training=True, split="train")
    seed_of(1)("x")
    picture, kind = made[1]
    assert picture.shape == (8, 8) and kind == 0 and len(made) == 6
    sent = pickle.loads(pickle.dumps(made))
    seed_of(1)("x")
    assert torch.equal(sent[1][0], picture)
    evaluated = transform_samples(data, wanted, training=False, split="validation")
    assert torch.equal(evaluated[1][0], data[1][0][1:9, 1:9].T)


def test_named_columns_and_arrays_are_samples_too(code: Path) -> None:
    wanted = chain(code, {"type": "torch.abs", "of": "x"})
    made = transform_samples({"x": -torch.ones(3, 2), "y": np.arange(3)}, wanted, training=True, split="train")
    assert made[2]["x"].tolist() == [1, 1] and int(made[2]["y"]) == 2
    made = transform_samples((-np.ones((3, 2)), np.arange(3)), chain(code, {"type": "torch.abs"}), training=True, split="train")
    assert made[2][0].tolist() == [1, 1] and int(made[2][1]) == 2


def test_mixup_gives_the_share_of_each_class_and_keeps_the_form_of_the_batch(code: Path) -> None:
    transforms = OwnTransforms(chain(code, {"mixup": {"alpha": 4.0, "classes": 3}}))
    x, y = torch.randn(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    mixed, shares = transforms.in_training((x, y), seed_of(0))
    again = transforms.in_training({"input": x, "target": y}, seed_of(0))
    assert torch.equal(again["input"], mixed) and torch.equal(again["target"], shares)
    own = float(shares[shares < 1].max())
    partners = [int(((x - (row - own * first) / (1 - own)).abs().sum(1)).argmin()) for row, first in zip(mixed, x, strict=True)]
    torch.testing.assert_close(shares, own * functional.one_hot(y, 3) + (1 - own) * functional.one_hot(y[partners], 3))
    assert transforms.always((x, y)) == (x, y)


def config_of(code: Path, folder: Path, *transforms: Any, data: str = "pictures", **trainer: Any) -> dict[str, Any]:
    own = [{**each, "type": f"{code}:{each['type'][2:]}"} if each.get("type", "").startswith("./") else each for each in transforms]
    return {
        "system": {"type": "plain", "model": f"{code}:Model", "loss": "cross_entropy", "metrics": ["accuracy"]},
        "data": {"type": f"{code}:{data}", "transform": own},
        "trainer": {"max_epochs": 3, "batch_size": 16, "trackers": ["csv"], "optimizer": {"type": "sgd", "learning_rate": 0.1}, **trainer},
        "run": {"device": "cpu", "dir": str(folder)},
        "evaluation": {},
    }


CROP = {"random_crop": [8, 8]}, {"center_crop": [8, 8]}
NOISE = {"type": "./noise", "runs_on": "device", "applies_in": "train"}


def weights(run: Path) -> dict[str, Tensor]:
    (file,) = run.glob("model/*.safetensors")
    return load_file(file)


def test_a_run_mixes_the_whole_step_whatever_its_pieces_and_measures_hard_classes(code: Path, tmp_path: Path) -> None:
    mixup = {"mixup": {"alpha": 1.0, "classes": 2}}
    whole = tw.train(config=config_of(code, tmp_path / "whole", *CROP, NOISE, mixup))
    tw.train(config=config_of(code, tmp_path / "pieces", *CROP, NOISE, mixup, micro_batch_size=5))
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert one and all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
    assert 0.5 < whole.results["metrics"]["train"]["target"]["accuracy"] <= 1
    assert whole.results["metrics"]["validation"]["target"]["accuracy"] > 0.5


REFUSED = {
    "nothing of a sample": ([{"type": "./nothing"}], {}, "nothing gives nothing"),
    "its own randomness": ([{"type": "./Counting"}], {}, "not give the same for the same seed"),
    "no such part": ([{"type": "./cut", "of": "inputs"}], {}, r"no part 'inputs'.*input, target.*did you mean 'input'"),
    "fails": ([{"random_crop": [80, 80]}], {}, "does not fit"),
    "order": ([NOISE, {"type": "./cut"}], {}, "runs in workers, but stands after"),
    "classes of mixup": ([*CROP, {"mixup": None}], {}, r"which is the number of a class.*mixup: \{classes: 10\}"),
    "samples of a loader": ([{"type": "./cut"}], {"data": "loaders"}, "DataLoader.*runs_on: device"),
    "by chance": ([*CROP, {**NOISE, "applies_in": "always"}], {}, "draws by chance"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_written(name: str, code: Path, tmp_path: Path) -> None:
    transforms, more, said = REFUSED[name]
    with pytest.raises(RequestError) as caught:
        tw.train(config=config_of(code, tmp_path / "run", *transforms, **more))
    assert re.search(said, str(caught.value).replace("\n", " ")), str(caught.value)
    assert not (tmp_path / "run").exists()


def test_batches_of_a_loader_are_transformed_on_the_device(code: Path, tmp_path: Path) -> None:
    cut = {"type": "./cut", "runs_on": "device"}
    config = config_of(code, tmp_path / "run", cut, {"mixup": {"classes": 2}}, data="loaders")
    del config["trainer"]["batch_size"]
    run = tw.train(config=config)
    assert run.results["metrics"]["validation"]["target"]["accuracy"] > 0.5


def test_a_class_that_takes_a_transform_by_itself_is_given_it(code: Path) -> None:
    options = choose("dataset", {"type": f"{code}:Classic", "transform": "./mine.py:f"})
    assert chain_of(options) == [] and make_data(options).splits["train"].transform == "./mine.py:f"


def test_rows_of_ones_own_say_that_they_have_no_samples(code: Path) -> None:
    class Mine(Rows):
        def __len__(self) -> int:
            return 3

        def take(self, indices: Tensor) -> Any:
            return indices

    for data in (Mine(), DataLoader(TensorDataset(torch.ones(3))), iter([1, 2])):
        with pytest.raises(RequestError, match="runs_on: device"):
            transform_samples(data, chain(code, {"type": "torch.abs"}), training=True, split="train")


def test_a_dataset_answers_as_the_one_inside(code: Path) -> None:
    class Sized(Dataset[Tensor]):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, row: int) -> Tensor:
            return -torch.ones(2)

        def sizes(self) -> list[int]:
            return [1, 2]

    made = transform_samples(Sized(), chain(code, {"type": "torch.abs"}), training=True, split="train")
    assert made.sizes() == [1, 2] and made[0].tolist() == [1, 1]
