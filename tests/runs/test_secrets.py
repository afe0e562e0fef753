from __future__ import annotations

import shlex
from pathlib import PurePath

import pytest

from trainwright.runs.environment import command_line
from trainwright.runs.secrets import holds_secrets, is_secret, mask_arguments, mask_lines, mask_text


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("system.api_key=made-up", "system.api_key=***"),
        ("--api-key=made-up", "--api-key=***"),
        ("data.password='with blanks; and=signs'", "data.password=***"),
        ("tracker.apiToken=made-up", "tracker.apiToken=***"),
        ("system={type: mine, secret: made-up, depth: 3}", "system={type: mine, secret: ***, depth: 3}"),
        ('system={"password":"made up", "depth":3}', 'system={"password":***, "depth":3}'),
        ("source={password: made-up, depth: [1, 2]}", "source={password: ***, depth: [1, 2]}"),
        ("Authorization: Bearer made-up", "Authorization: ***"),
        ("Server=db;Uid=ann;Pwd=made-up;Port=1", "Server=db;Uid=ann;Pwd=***;Port=1"),
        ("postgresql://ann:m@de-up@host:5432/shop?x=1", "postgresql://ann:***@host:5432/shop?x=1"),
        ("data.source=https://host/a.csv?token=made-up&page=2", "data.source=https://host/a.csv?token=***&page=2"),
        ("data.source=s3://bucket/a.csv", "data.source=s3://bucket/a.csv"),
        ("weights=hf_abcdefghijklmnopqrst", "weights=***"),
        ("https://ghp_abcdefghijklmnopqrst@github.com/a/b", "https://***@github.com/a/b"),
        ("AWS_SECRET_ACCESS_KEY=made-up", "AWS_SECRET_ACCESS_KEY=***"),
        ("headers={Authorization: Bearer made-up, a: 1}", "headers={Authorization: ***, a: 1}"),
        ("system={token: made up, depth: 3}", "system={token: ***, depth: 3}"),
        ("system={passwords: [made, up], depth: 3}", "system={passwords: ***, depth: 3}"),
        ("system={a: {credentials: {user: made, value: up}}}", "system={a: {credentials: ***}}"),
        ("system.header=Bearer made-up.made_up", "system.header=Bearer ***"),
        ("system.pass=made-up", "system.pass=***"),
        ("https://made-up@github.com/a/b", "https://***@github.com/a/b"),
        ("system.s=https://hooks.slack.com/services/T0/B0/madeup", "system.s=https://***"),
        ("-----BEGIN RSA PRIVATE KEY-----made-up", "***"),
    ],
)
def test_values_that_look_secret_are_masked(word: str, kept: str) -> None:
    assert mask_arguments([word]) == [kept]


@pytest.mark.parametrize(
    "word",
    [
        *("system.tokenizer=bpe", "columns.note.max_tokens=40", "system.pad_token=<pad>", "model.keys=8", "./net.py:Net", "./key.py:Key"),
        *(
            "trainer.max_steps=3",
            "data.source=token.csv",
            "--target",
            "titanic.csv",
            "model.type=my.token:Class",
            "a=b=c",
            "key",
            "https://host/a:b",
            "system.low_pass=40",
            "git@host:a/b",
            "system={tokens: [a, b], widths: [1, 2]}",
            "metrics={top: {type: top_k_accuracy, k: 3}}",
        ),
    ],
)
def test_other_words_stay_as_they_are(word: str) -> None:
    assert mask_arguments([word]) == [word]


def test_the_word_after_an_option_that_looks_secret_is_masked() -> None:
    words = ["train", "a.csv", "--token", "made-up", "--password", "--verbose", "--seed", "3", "--secret-key", "-5"]
    assert mask_arguments(words) == ["train", "a.csv", "--token", "***", "--password", "--verbose", "--seed", "3", "--secret-key", "***"]


def test_the_command_of_a_run_holds_no_secret_and_the_rest_can_be_given_to_a_shell() -> None:
    words = ["/bin/trainwright", "train", "my data.csv", "system.token=made-up", "--api-key", "made up", "x=$y"]
    kept = command_line(words)
    assert "made" not in kept
    assert shlex.split(kept) == ["trainwright", "train", "my data.csv", "system.token=***", "--api-key", "***", "x=$y"]


def test_names_tell_which_files_hold_secrets() -> None:
    assert all(map(is_secret, ("password", "wandb_api_key", "db.credentials", "HF_TOKEN", "auth", "accessKey2")))
    assert not any(map(is_secret, ("monkey", "tokens", "column", "eos_token", "", "keyboard", "author")))
    assert holds_secrets(PurePath("deep/ID_RSA")) and holds_secrets(PurePath("prod.env")) and holds_secrets(PurePath(".aws/config"))
    assert (
        holds_secrets(PurePath("infra/prod.tfvars")) and holds_secrets(PurePath(".kube/config")) and holds_secrets(PurePath("cookies.txt"))
    )
    assert not any(holds_secrets(PurePath(each)) for each in ("env.py", "tokens.py", "keyboard.csv", ".env.example", "environment.yml"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  api_key: made up", "  api_key: ***"),
        ("- token: 'made: up'", "- token: ***"),
        ("  token: null", "  token: null"),
        ("credentials:", "credentials:"),
        ("  source: postgresql://ann:made-up@host/x", "  source: postgresql://ann:***@host/x"),
        ("  pad_token: <pad>", "  pad_token: <pad>"),
        ("model: {token: made-up, width: 3}", "model: {token: ***, width: 3}"),
    ],
)
def test_the_report_shows_a_configuration_without_its_secrets(line: str, shown: str) -> None:
    assert mask_text(line) == shown


def test_lines_below_a_name_that_looks_secret_are_masked_too() -> None:
    lines = [
        "system:",
        "  credentials:",
        "    user: made",
        "    value: up",
        "  passwords:",
        "  - made up",
        "  key: |",
        "    made",
        "",
        "    up",
        "  width: 3",
    ]
    shown = [
        "system:",
        "  credentials:",
        "    user: ***",
        "    value: ***",
        "  passwords:",
        "  - ***",
        "  key: |",
        "    ***",
        "",
        "    ***",
        "  width: 3",
    ]
    assert mask_lines(lines) == shown
