"""Pictures and their masks in parallel folders."""

from __future__ import annotations

import pytest
from test_image_folder import lay

from trainwright.config.errors import DataError
from trainwright.domains.images.claims import claims
from trainwright.domains.images.sources.image_masks import ImageMasks
from trainwright.domains.images.sources.options import ImageMasksOptions


def opened(root, **options):
    return ImageMasks(ImageMasksOptions(path=str(root), **options), 1 << 20)


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("images/a.jpg", "images/b.jpg", "masks/b.png", "masks/a.png"), None),
        (("train/images/a.jpg", "train/masks/a.png", "val/images/b.jpg", "val/masks/b.png"), ["train", "validation"]),
        (("images/train/a.jpg", "images/val/b.jpg", "labels/train/a.png", "labels/val/b.png"), ["train", "validation"]),
    ],
)
def test_masks_are_paired_by_names_less_their_endings_in_any_layout(tmp_path, names, split):
    root = lay(tmp_path, *names)
    assert claims(root)[2] == "image_masks"
    table = opened(root).read()
    assert [each.split("/")[-1] for each in table["image"].to_pylist()] == ["a.jpg", "b.jpg"]
    assert [each.split("/")[-1] for each in table["mask"].to_pylist()] == ["a.png", "b.png"]
    assert opened(root).default_targets == ["mask"]
    assert (table["split"].to_pylist() if split else None) == split


def test_one_name_in_two_splits_is_no_mismatch(tmp_path):
    root = lay(tmp_path, "train/images/1.jpg", "train/masks/1.png", "test/images/1.jpg", "test/masks/1.png")
    assert opened(root).read()["mask"].to_pylist() == ["test/masks/1.png", "train/masks/1.png"]


def test_names_that_do_not_go_together_are_listed_on_both_sides(tmp_path):
    root = lay(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png", "masks/c.png")
    with pytest.raises(DataError) as caught:
        opened(root)
    assert "1 of 'images' have no mask: 'b'" in caught.value.what and "1 of 'masks' have no picture: 'c'" in caught.value.what
    source = opened(root, unpaired="skip")
    assert len(source) == 1 and "left out: 1 picture without a mask and 1 mask without a picture" in "".join(source.notes)


def test_a_suffix_of_masks_is_suggested_and_used(tmp_path):
    root = lay(tmp_path, "images/a.jpg", "masks/a_mask.png")
    with pytest.raises(DataError) as caught:
        opened(root)
    assert "mask_suffix=_mask" in str(caught.value.fix)
    assert len(opened(root, mask_suffix="_mask")) == 1


def test_two_pictures_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="several files of 'images' have one name"):
        opened(lay(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png"))


def test_folders_without_masks_are_refused_with_what_is_there(tmp_path):
    with pytest.raises(DataError, match="no folder of pictures beside one of masks") as caught:
        opened(lay(tmp_path, "cat/a.jpg", "dog/b.jpg"))
    assert "'cat', 'dog'" in str(caught.value.why)


def test_names_of_classes_beside_the_folders_are_read_and_not_told_as_unread(tmp_path):
    root = lay(tmp_path, "images/a.jpg", "masks/a.png")
    (root / "classes.json").write_text('{"names": ["ground", "disc"]}')
    source = opened(root)
    assert source.declared_columns["mask"]["classes"] == ["ground", "disc"]
    assert not any(".json" in each for each in source.notes)
