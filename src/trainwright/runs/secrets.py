"""What must not be kept in a run: files that hold keys, and values of a command line that look like passwords and tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePath
from typing import Any

MASK = "***"
FILES = (
    *(".env", ".env.*", "*.env", ".netrc", "_netrc", ".npmrc", ".pypirc", ".htpasswd", ".pgpass", ".git-credentials", ".dockercfg"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.ppk", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("*credential*.json", "*credential*.y*ml", "*credential*.ini", "*credential*.txt", "credentials", "*service[-_]account*.json"),
    *("secret.*", "secrets.*", "secrets", "*[-_.]secret.*", "*[-_.]secrets.*", "client_secret*.json", "kubeconfig", "*.kubeconfig"),
    *("token", "token.*", "*.token", "*[-_.]token", "*[-_.]token.json", "*[-_.]token.txt", "passwords.*", "password.*", "*.tfstate"),
    *("*.tfvars", "cookies.*", "*.ovpn", "*.gpg", "kaggle.json", ".boto", ".s3cfg", ".my.cnf", ".mylogin.cnf", "*.secret"),
)
"""Names of files that hold secrets, whatever is in them; a Python file is code and never one of them."""
FOLDERS = {".ssh", ".aws", ".gnupg", ".kube", ".azure", ".gcloud", ".docker", ".kaggle", ".huggingface", "gcloud"}
"""Folders in which programs keep their keys and logins."""
TEMPLATES = ("*.example", "*.sample", "*.template", "*.dist")
"""`.env.example` shows which variables there are, without their values."""
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")

NAMES = {"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "key", "auth", "authorization", "bearer", "cookie"}
NAMES |= {"pass", "pw", "otp", "webhook"}
NAMES |= {"credential", "signature", "sig", "sas", "pat", "apitoken", "accesskey", "secretkey", "privatekey", "accesstoken", "authtoken"}
"""Last words of an option's name whose value is kept from others; a plural counts as its singular."""
OF_TEXTS = {"pad", "mask", "bos", "eos", "unk", "sep", "cls", "special", "start", "end", "max", "min", "num", "first", "last", "by", "per"}
OF_TEXTS |= {"low", "high", "band", "all", "forward", "backward", "single"}
"""`pad_token` and `max_tokens` are about texts, `low_pass` is about frequencies."""
COUNTED = {"tokens", "keys", "signatures", "cookies"}
"""Plurals that are columns and counts far more often than secrets."""
# `./net.py:Net` is no pair: a colon needs a blank after it, or a quote before it.
PAIR = re.compile(
    r"""(?P<name>(?P<quote>["']?)[\w.\-]+(?P=quote))(?P<sign>\s*=\s*|:\s+|(?<=["']):\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;&}\]"'{\[][^\s,;&}\]"']*)"""
)
SECRET_FLOW = re.compile(
    r"""(?P<name>(?P<quote>["']?)[\w.\-]+(?P=quote))(?P<sign>\s*=\s*(?=[\[{])|:\s+)(?P<value>\[[^\]]*\]?|\{[^}]*\}?|[^,;&}\]"'{\[\n]+)"""
)
"""An option whose value holds blanks (`Authorization: Bearer …`), or a list or mapping of values."""
USER_IN_URL = re.compile(r"(?P<scheme>[a-zA-Z][\w+.\-]*://)(?P<user>[^\s/@:?#]*):(?P<password>[^\s/?#]*)@")
WHOLE = re.compile(r"""(?P<before>\s*(?:- )*["']?(?P<name>[\w.\-]+)["']?(?:=|:\s+))(?P<value>.+)""", re.DOTALL)
"""A text that is one option and its value, to its end: a word of the command line, a line of YAML, a header."""
TOKEN_IN_URL = re.compile(r"(?P<scheme>https?://)[^\s/@:?#*]+@")
BEARER = re.compile(r"\b(?P<kind>Bearer\s+)[\w\-.~+/]{6,}=*")
OPENED = re.compile(r"""\s*(?:- )*["']?(?P<name>[\w.\-]+)["']?:\s*[|>&]?.{0,3}""")
"""A line of YAML whose value stands in the lines below it."""
BELOW = re.compile(r"""(?P<before>\s*(?:- )*(?:[\w.\-"']+:(?=\s|$)\s*)?)(?P<value>.*)""")
"""What such a line holds: a value after its name, an item, or a text."""
EMPTY = re.compile(r"null|''|\"\"|[|>&].{0,3}|#.*")
KNOWN = re.compile(
    r"\b(hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w\-]{16,}|xox[abprs]-[\w\-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w\-]{30,}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*"
    r"|xapp-[\w\-]{10,}|npm_[A-Za-z0-9]{16,}|pypi-[\w\-]{16,}|SG\.[\w\-]{16,}\.[\w\-]{16,}|ya29\.[\w\-]{16,}|dop_v1_\w{16,}|glsa_\w{16,}"
    r"|wandb_v1_\w{16,}|[sr]k_live_\w{10,}|hooks\.slack\.com/services/[\w/]+)|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
)
"""Tokens that services hand out, known by how they begin."""


def holds_secrets(path: PurePath) -> bool:
    """Whether a file's name says that it holds keys, passwords or tokens (`.env`, `id_rsa`, `credentials.json`, `server.pem`)."""
    name = path.name.lower()
    if path.suffix.lower() == ".py" or any(fnmatch(name, each) for each in TEMPLATES):
        return False
    return any(fnmatch(name, each) for each in FILES) or bool(FOLDERS & set(path.parts))


def holds_private_key(content: bytes) -> bool:
    """Whether a private key is written in a file."""
    return PRIVATE_KEY.search(content) is not None


def is_secret(name: str) -> bool:
    """Whether the value of an option of this name (`api_key`, `--token`, `data.source.password`) is kept from others."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    words = [each.lower() for each in re.split(r"[^A-Za-z]+", spaced) if each]
    if not words or (len(words) > 1 and words[-2] in OF_TEXTS):
        return False
    last = words[-1]
    return last in NAMES or (last.removesuffix("s") in NAMES and last not in COUNTED)


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """The words of a command with `***` for values of options that look secret, passwords in URLs, and tokens of known services."""
    masked: list[str] = []
    hidden = False  # whether the word before was an option whose value is secret
    for word in arguments:
        flag = word.startswith("-") and not _is_number(word)
        masked.append(MASK if hidden and not flag else mask_text(word))
        hidden = flag and "=" not in word and is_secret(word)
    return masked


def mask_text(text: str) -> str:
    """A text with its secrets replaced by `***`: `name=value`, `name: value`, passwords in URLs, and tokens of known services."""
    whole = WHOLE.fullmatch(text)
    if whole and is_secret(whole["name"]):  # with whatever blanks and signs are in the value
        return text if EMPTY.fullmatch(whole["value"]) else f"{whole['before']}{MASK}"
    text = USER_IN_URL.sub(lambda found: f"{found['scheme']}{found['user']}:{MASK}@", text)
    text = TOKEN_IN_URL.sub(lambda found: f"{found['scheme']}{MASK}@", BEARER.sub(lambda found: f"{found['kind']}{MASK}", text))
    return KNOWN.sub(MASK, PAIR.sub(_mask_pair, SECRET_FLOW.sub(_mask_flow, text)))


def mask_lines(lines: Iterable[str]) -> list[str]:
    """The lines of a YAML file with their secrets masked, also those that stand below a name that looks secret."""
    masked: list[str] = []
    depth: int | None = None  # the indentation of the name whose lines are secret
    for line in lines:
        inside = line.lstrip(" ")
        at = len(line) - len(inside)
        within = depth is not None and bool(inside) and (at > depth or (at == depth and inside.startswith("- ")))
        if inside and not within:
            opened = OPENED.fullmatch(line)
            depth = at if opened is not None and is_secret(opened["name"]) else None
        masked.append(_mask_below(line) if within else mask_text(line))
    return masked


def _mask_below(line: str) -> str:
    found = BELOW.fullmatch(line)
    return line if found is None or not found["value"] else f"{found['before']}{MASK}"


def _mask_flow(found: re.Match[str]) -> str:
    """The whole value of an option that looks secret; of another what it was, with the options inside it masked."""
    name = found["name"].strip("\"'")
    if EMPTY.fullmatch(found["value"].strip()):
        return found[0]
    if is_secret(name):
        return f"{found['name']}{found['sign']}{MASK}"
    return f"{found['name']}{found['sign']}{SECRET_FLOW.sub(_mask_flow, found['value'])}"


def _mask_pair(found: re.Match[str]) -> str:
    name = found["name"].strip("\"'")
    if is_secret(name):
        return f"{found['name']}{found['sign']}{MASK}"
    # A value may hold pairs itself: `source={password: x}`, `url=https://host/?token=x`.
    return f"{found['name']}{found['sign']}{PAIR.sub(_mask_pair, found['value'])}"


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-[0-9.]+(e[+-]?\d+)?", word, re.IGNORECASE) is not None


def secret_keys(values: Any, above: str = "") -> list[str]:
    """The dotted keys of a configuration whose values are texts that look secret."""
    if isinstance(values, Mapping):
        return [found for key, value in values.items() for found in _secrets_at(str(key), value, f"{above}.{key}" if above else str(key))]
    if isinstance(values, list | tuple):
        return [found for number, value in enumerate(values) for found in secret_keys(value, f"{above}.{number}")]
    return []


def _secrets_at(key: str, value: Any, path: str) -> list[str]:
    return [path] if isinstance(value, str) and value and is_secret(key) else secret_keys(value, path)


def private_names(names: Iterable[str]) -> list[str]:
    """Those of some paths whose names say that they hold secrets."""
    return [each for each in names if holds_secrets(PurePath(each))]
