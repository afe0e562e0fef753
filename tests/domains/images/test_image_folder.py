"""Folders of pictures: what they say, and what they are refused for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainwright.config.errors import DataError
from trainwright.domains.images.claims import claims
from trainwright.domains.images.sources.image_folder import ImageFolder
from trainwright.domains.images.sources.options import ImageFolderOptions


def lay(root: Path, *names: str) -> Path:
    """Files of these names, each of other bytes; nothing decodes them here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"content of {name}".encode())
    return root


def opened(root: Path, **options: Any) -> ImageFolder:
    return ImageFolder(ImageFolderOptions(path=str(root), **options), 1 << 20)


def column(source: ImageFolder, name: str) -> list[Any]:
    return source.read(columns=[name])[name].to_pylist()


def notes(source: ImageFolder) -> str:
    return "\n".join(source.notes)


def test_the_first_level_of_folders_is_the_class_and_numeric_names_stand_by_number(tmp_path):
    source = opened(lay(tmp_path, "10/a.jpg", "2/b.JPEG", "2/a.png", "1/deep/er/c.webp"))
    assert column(source, "file") == ["1/deep/er/c.webp", "2/a.png", "2/b.JPEG", "10/a.jpg"]
    assert column(source, "label") == ["1", "2", "2", "10"]
    assert source.default_targets == ["label"] and source.declared_columns["label"] == {"type": "category"}
    assert "3 classes, named by the folders, by number: 1 (1), 2 (2), 10 (1)" in notes(source)
    assert "1 picture lies deeper, in '1/deep/er'" in notes(source)
    assert "the split is by photograph" in notes(source) and "data.split=grouped" in notes(source)


def test_file_and_image_are_one_buffer_below_the_folder(tmp_path):
    table = opened(lay(tmp_path, "cat/1.jpg", "dog/2.jpg")).table
    places = [table[name].chunk(0).buffers()[2].address for name in ("file", "image")]
    assert places[0] == places[1]


def test_split_folders_are_the_given_split_and_their_classes_are_aligned_by_name(tmp_path):
    root = lay(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "Valid/dog/3.jpg", "test/cat/4.jpg", "test/dog/5.jpg", "extra/9.jpg")
    source = opened(root)
    assert column(source, "split") == ["train", "train", "validation", "test", "test"]
    assert column(source, "label") == ["cat", "dog", "dog", "cat", "dog"]
    assert source.declared_split == {"type": "column", "column": "split"}
    assert "validation has no picture of 'cat'" in notes(source)
    assert "pictures outside of the splits 'train', 'Valid', 'test' are not read: 1 in 'extra'" in notes(source)
    assert "by photograph" not in notes(source)


def test_a_class_that_train_lacks_is_refused_with_name_and_count_or_dropped_on_request(tmp_path):
    root = lay(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "val/fox/3.jpg", "val/fox/4.jpg", "val/cat/5.jpg")
    refusal = opened(root).refusal
    assert refusal is not None and "'fox' (2 in validation)" in refusal.what and "unknown=drop" in str(refusal.fix)
    source = opened(root, unknown="drop")
    assert source.refusal is None and column(source, "label") == ["cat", "dog", "cat"]
    assert "'fox' (2 in validation); these are left out" in notes(source)


def test_split_folders_are_classes_where_that_is_asked_for(tmp_path):
    source = opened(lay(tmp_path, "train/1.jpg", "test/2.jpg"), splits="off")
    assert column(source, "label") == ["test", "train"]


def test_two_folders_of_one_split_are_refused(tmp_path):
    with pytest.raises(DataError, match="'val', 'valid' are of one split"):
        opened(lay(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "valid/a/3.jpg"))


def test_a_split_without_class_folders_is_left_out_and_told(tmp_path):
    source = opened(lay(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "test/3.jpg"))
    assert column(source, "label") == ["a", "b"]
    assert "1 picture of test in no class folder: left out" in notes(source)


def test_what_nobody_put_there_is_ignored_and_counted_in_one_line(tmp_path):
    root = lay(tmp_path, "a/1.jpg", "b/2.jpg", "a/._1.jpg", "a/Thumbs.db", "__MACOSX/a/1.jpg", ".ipynb_checkpoints/1.jpg", ".DS_Store")
    source = opened(lay(root, "b/clip.mp4", "labels.csv"))
    assert len(source) == 2
    assert [each for each in source.notes if "ignored" in each] == ["hidden files and folders, and such as systems write, are ignored: 5"]
    assert "files that are no pictures are not read: 1 .mp4" in notes(source)
    assert "tables beside the pictures are not read: 'labels.csv'" in notes(source)


def test_an_empty_folder_is_refused_with_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(DataError) as caught:
        opened(lay(tmp_path, "readme.txt", "scan.heic"))
    assert "'readme.txt', 'scan.heic'" in str(caught.value.why) and ".webp" in str(caught.value.fix)


def test_pictures_beside_class_folders_are_refused_with_both_counts(tmp_path):
    root = lay(tmp_path, "1.jpg", "2.jpg", "cat/3.jpg", "dog/4.jpg", "dog/5.jpg")
    with pytest.raises(DataError, match="2 pictures beside 2 folders with 3 pictures") as caught:
        opened(root)
    assert "data.source.layout=flat" in str(caught.value.fix)
    source = opened(root, layout="flat")
    assert len(source) == 5 and "label" not in source.schema.names


def test_a_flat_folder_has_no_labels_and_says_why_it_is_not_trained_on(tmp_path):
    source = opened(lay(tmp_path, "1.jpg", "2.jpg"))
    assert source.default_targets == [] and source.schema.names == ["file", "image"]
    assert source.refusal is not None and "no class folder" in source.refusal.what


def test_one_class_alone_can_be_predicted_and_is_not_trained_on(tmp_path):
    source = opened(lay(tmp_path, "photos/cat/1.jpg", "photos/dog/2.jpg"))
    assert source.refusal is not None and "one class only: 'photos'" in source.refusal.what
    assert str(source.refusal.fix).endswith(f"{tmp_path}/photos")


def test_copies_in_several_classes_are_told_and_in_several_splits_refused(tmp_path):
    root = lay(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg", "test/dog/4.jpg")
    (root / "train/dog/5.jpg").write_bytes((root / "train/cat/1.jpg").read_bytes())
    assert "1 picture has copies in folders of other classes" in notes(opened(root))
    assert opened(root).refusal is None
    (root / "test/cat/6.jpg").write_bytes((root / "train/cat/1.jpg").read_bytes())
    refusal = opened(root).refusal
    assert refusal is not None and "train/cat/1.jpg = train/dog/5.jpg = test/cat/6.jpg" in refusal.what
    assert opened(root, duplicates="allow").refusal is None


def test_names_of_files_give_columns_and_a_group_that_is_kept_whole(tmp_path):
    root = lay(tmp_path, "a/anna_1.jpg", "a/ben_1.jpg", "b/anna_2.jpg")
    source = opened(root, pattern=r"(?P<person>[^_]+)_\d+", group="person")
    assert column(source, "person") == ["anna", "ben", "anna"]
    assert source.declared_split == {"type": "grouped", "column": "person"} and "by photograph" not in notes(source)
    with pytest.raises(DataError, match="the pattern does not fit all names"):
        opened(root, pattern=r"(?P<person>\d+)")
    with pytest.raises(DataError, match="no column 'persn'"):
        opened(root, pattern=r"(?P<person>[^_]+)_\d+", group="persn")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_metadata_is_read_in_place_of_the_names_of_folders(tmp_path, ending):
    root = lay(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg")
    rows = {"file_name": ["a/2.jpg", "b/3.jpg"], "label": ["x", "y"], "age": [3, 4]}
    if ending == "csv":
        (root / "metadata.csv").write_text("file_name,label,age\na/2.jpg,x,3\nb/3.jpg,y,4\n")
    elif ending == "jsonl":
        (root / "metadata.jsonl").write_text(
            '{"file_name": "a/2.jpg", "label": "x", "age": 3}\n{"file_name": "b/3.jpg", "label": "y", "age": 4}\n'
        )
    else:
        pq.write_table(pa.table(rows), root / "metadata.parquet")
    source = opened(root)
    assert column(source, "image") == ["a/2.jpg", "b/3.jpg"] and column(source, "age") == [3, 4]
    assert source.default_targets == ["label"]
    assert "names of folders are no labels then" in notes(source) and "1 picture has no row there" in notes(source)
    assert column(opened(root, metadata="off"), "label") == ["a", "a", "b"]


def test_metadata_in_each_split_folder_gives_the_split(tmp_path):
    root = lay(tmp_path, "train/1.jpg", "train/2.jpg", "test/3.jpg")
    (root / "train/metadata.csv").write_text("file_name,label\n1.jpg,x\n2.jpg,y\n")
    (root / "test/metadata.csv").write_text("file_name,label\n3.jpg,x\n")
    source = opened(root)
    assert column(source, "image") == ["test/3.jpg", "train/1.jpg", "train/2.jpg"]
    assert column(source, "split") == ["test", "train", "train"]


def test_metadata_that_names_no_picture_is_refused_with_the_nearest(tmp_path):
    root = lay(tmp_path, "cat_01.jpg", "cat_02.jpg")
    (root / "metadata.csv").write_text("file_name,label\ncat_1.jpg,x\ncat_02.jpg,y\n")
    with pytest.raises(DataError, match=r"row 1 'cat_1\.jpg'") as caught:
        opened(root)
    assert "cat_01.jpg" in str(caught.value.fix)
    (root / "metadata.csv").write_text("filename,label\ncat_01.jpg,x\n")
    with pytest.raises(DataError, match="has no column 'file_name'"):
        opened(root)


def test_the_fingerprint_is_that_of_names_and_contents(tmp_path):
    root = lay(tmp_path, "a/1.jpg", "b/2.jpg")
    before = opened(root).fingerprint()
    assert before["rows"] == 2 and before["paths"] == [str(root)]
    assert opened(root).fingerprint() == before
    (root / "b/2.jpg").write_bytes(b"something else here")
    assert opened(root).fingerprint()["sha256"] != before["sha256"]


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    root = lay(tmp_path, "a/1.jpg", "b/2.jpg")
    (root / "a/again").symlink_to(root)
    assert len(opened(root)) == 2


def test_folders_of_pictures_and_pictures_are_claimed(tmp_path):
    root = lay(tmp_path / "pictures", "a/1.jpg", "b/2.PNG")
    assert claims(root)[2] == claims(root / "b/2.PNG")[2] == "image_folder"
    assert claims(lay(tmp_path / "other", "x.csv", "y.csv")) is None
