"""What other frameworks call an option → ours, in a configuration, on the command line and as keywords: a table for each of them."""

from __future__ import annotations

import re

from trainwright.config.other_words.hugging_face import WORDS as HUGGING_FACE
from trainwright.config.other_words.keras import WORDS as KERAS
from trainwright.config.other_words.lightning import WORDS as LIGHTNING
from trainwright.config.other_words.ludwig import WORDS as LUDWIG
from trainwright.config.other_words.threestudio import WORDS as THREESTUDIO
from trainwright.config.other_words.timm import WORDS as TIMM

FRAMEWORKS = {
    "Lightning": LIGHTNING,
    "Hugging Face's Trainer": HUGGING_FACE,
    "Ludwig": LUDWIG,
    "threestudio": THREESTUDIO,
    "timm": TIMM,
    "Keras": KERAS,
}
"""Framework → its word → the answer, with our options, commands and Python names in backticks."""
ANSWERS = {word: answer for words in reversed(FRAMEWORKS.values()) for word, answer in words.items()}
NAMED = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"[\d.]+")
PYTHONS = {"true": "True", "false": "False", "null": "None"}
KEYWORDS = {
    "trainer.optimizer.learning_rate": "learning_rate",
    "run.seed": "seed",
    "run.device": "device",
    "launch.devices": "devices",
    "run.dir": "run_dir",
    "data": "train_data",
    "trainwright resume RUN": "resume=True",
}
"""Ours in a configuration → as a keyword of `tw.fit`; those of `trainer` have their own names, those within them are keys of a mapping."""


def answer_of(word: str, keywords: bool = False) -> str:
    """What to write instead of another framework's word, empty for other words; with `keywords` as `tw.fit` takes it."""
    name = word.lstrip("-").replace("-", "_").lower()
    answer = ANSWERS.get(name, "")
    return f"here it is {NAMED.sub(lambda found: _spell(found[1], keywords), answer)}" if answer else ""


def framework_of(word: str) -> str:
    """The framework whose word it is, the first that has it."""
    name = word.lstrip("-").replace("-", "_").lower()
    return next((framework for framework, words in FRAMEWORKS.items() if name in words), "")


def spell_keyword(path: str, value: str = "") -> str:
    """An option of a configuration, with a value as a file has it, as a keyword of `tw.fit`; within an option as a key of its mapping."""
    written = value if not value or NUMBER.fullmatch(value) else PYTHONS.get(value, repr(value))
    if path in KEYWORDS:
        return KEYWORDS[path] + (f"={written}" if written else "")
    keys = path.split(".") if path.startswith("trainer.") else []
    if len(keys) == 2:
        return keys[1] + (f"={written}" if written else "")
    return f"{keys[1]}={{'{'.'.join(keys[2:])}': {written or '…'}}}" if len(keys) > 2 else path + (f"={value}" if value else "")


def _spell(ours: str, keywords: bool) -> str:
    path, _, value = ours.partition("=")
    return spell_keyword(path, value) if keywords else ours
