import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, make

from trainwright.features.base import Counts

TEXTS = ["The quick brown fox.", "the lazy dog", None, "", "naïve café ☕", "don't stop, fox!"]


@pytest.mark.parametrize("tokenizer", ["word", "character", "bpe"])
def test_a_restored_column_encodes_the_same_bits_and_chunks_do_not_matter(tokenizer: str) -> None:
    feature = fitted("text", TEXTS, tokenizer=tokenizer)
    assert feature.state() == fitted("text", TEXTS, tokenizer=tokenizer, cuts=[1, 4]).state()
    first, second = encoded(feature, TEXTS), encoded(again(feature), TEXTS)
    assert all(np.array_equal(first[part], second[part]) for part in ("tokens", "length"))
    assert first["tokens"].max() < feature.sizes()[0]


def test_words_and_punctuation_are_tokens_and_case_is_ignored() -> None:
    feature = fitted("text", ["a b, B!", "c"])
    parts = encoded(feature, ["A, b", "zebra c", None])
    lengths = parts["length"].tolist()
    assert lengths == [3, 2, 0]
    assert parts["tokens"][1, 0] == 1
    assert parts["tokens"].shape == (3, 5)
    assert (parts["tokens"][2] == 0).all()
    assert make("text", lowercase=False).config.lowercase is False


def test_unknown_words_are_counted() -> None:
    counts = Counts()
    fitted("text", ["a b"]).encode(pa.array(["a z y", None]), np.arange(2), counts)
    assert counts == Counts(missing=1, unknown=2)


def test_characters_are_tokens() -> None:
    feature = fitted("text", ["abc"], tokenizer="character")
    assert encoded(feature, ["cab"])["length"].tolist() == [3]
    assert feature.sizes() == [5]


def test_byte_pairs_read_any_text_without_unknown_tokens() -> None:
    feature = fitted("text", ["low lower lowest"] * 5, tokenizer="bpe", vocabulary=300)
    assert (encoded(feature, ["漢字 ☕ low"])["tokens"] != 1).all()


def test_long_texts_are_cut() -> None:
    assert encoded(fitted("text", ["a b c d e"], max_length=3), ["a b c d e"])["length"].tolist() == [3]


def test_the_vocabulary_is_bounded() -> None:
    feature = fitted("text", [" ".join(f"w{i}" for i in range(100))], vocabulary=20)
    assert feature.sizes() == [20]
    assert fitted("text", ["a a b"], min_count=2).sizes() == [3]


@pytest.mark.parametrize("tokenizer", ["word", "bpe"])
def test_another_process_fits_the_same_tokenizer(tokenizer: str) -> None:
    code = (
        "import hashlib; from trainwright.features.options import TextOptions; from trainwright.features.text import fit_tokenizer;"
        f"print(fit_tokenizer(['some words to split and count, more words to come'] * 4, TextOptions(tokenizer={tokenizer!r})).to_str())"
    )
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert len(runs) == 1


def test_tokenizers_is_imported_only_when_a_text_column_is_fitted() -> None:
    code = "import sys, trainwright.features.text, trainwright.features.encoding; print('tokenizers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
