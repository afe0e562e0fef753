"""The parser every command uses: flags and words in any order, `-` and `_` alike, unknown flags answered with the nearest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from trainwright.cli.forms import Form, refuse_unused_flags, refuse_unused_settings
from trainwright.cli.names import refuse_names
from trainwright.cli.streams import Shown
from trainwright.cli.style import bold, heading, two_columns, wrap
from trainwright.config.errors import RequestError, nearest
from trainwright.config.other_words import answer_of, framework_of
from trainwright.config.trust import trust


class Arguments(argparse.Namespace):
    """The arguments of a command, and which flags were given."""

    def __init__(self, parser: Parser, words: Sequence[str]) -> None:
        super().__init__()
        self._parser, self._given = parser, parser.given(words)

    def use(self, form: str, settings: Sequence[str] = ()) -> None:
        """Say which form of the command this is; raises RequestError for a flag or setting that was given and that it does not use."""
        forms, command = self._parser.forms, self._parser.prog
        chosen = forms[form] if form in forms else replace(forms["own run"], subject=f"a {form}")  # of a domain that names its own kind
        refuse_unused_flags(chosen, command, self._given)
        refuse_unused_settings(chosen, command, settings)


class Parser(argparse.ArgumentParser):
    """The arguments of one command, with its help: what it does, usage, `first`, arguments, options, examples, and `more`."""

    def __init__(
        self,
        name: str,
        does: str,
        usage: str,
        examples: Sequence[str],
        more: Callable[[], str] | None = None,
        first: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(prog=f"trainwright {name}", add_help=False, allow_abbrev=False)
        self.does, self.written, self.examples, self.more, self.first = does, usage, examples, more, first
        self.forms: dict[str, Form] = {}
        """Name → a way to use the command, where they differ in the flags and settings they use; the command says which with `use`."""
        self.add_argument("-h", "--help", action="store_true", help="this help")

    def parse(self, words: Sequence[str]) -> Arguments:
        """The arguments in `words`; raises Shown when the help was asked for, RequestError for what is unknown or empty."""
        words = [self._with_dashes(each) for each in words]
        if "-h" in words or "--help" in words:
            print(self.format_help())
            sys.stdout.flush()
            raise Shown
        known, unknown = self.parse_known_intermixed_args(words, Arguments(self, words))
        flags = [each for each in unknown if each.startswith("-")]
        if flags:
            raise self._unknown(flags[0])
        if unknown:
            raise RequestError(f"one argument too many: '{unknown[0]}'", fix=f"usage: {self.usage_line()}")
        refuse_names(known, self._actions, self.given(words))
        if getattr(known, "trust_code", False):
            trust()
        return known

    def given(self, words: Sequence[str]) -> dict[str, str]:
        """The flags among the words: name of the value → as it is written."""
        found = {}
        for word in words:
            name = word.partition("=")[0]
            action = self._option_string_actions.get(name) or (
                self._option_string_actions.get(word[:2]) if word.startswith("-") and not word.startswith("--") else None
            )
            if action is not None:
                found[action.dest] = name if name in self._option_string_actions else word[:2]
        return found

    def error(self, message: str) -> NoReturn:
        """Argparse's own refusals, as ours."""
        raise RequestError(message.replace("the following arguments are required", "missing"), fix=f"usage: {self.usage_line()}")

    def format_help(self) -> str:
        """The help as text."""
        named = [each for each in self._actions if not each.option_strings]
        flags = [each for each in self._actions if each.option_strings]
        usage = wrap(self.usage_line(), 2).replace(self.prog, bold(self.prog), 1)
        blocks = [wrap(self.does, 0), f"{heading('usage')}\n{usage}", *([self.first()] if self.first else [])]
        if named:
            blocks.append(f"{heading('arguments')}\n{two_columns([(str(each.metavar or each.dest), each.help or '') for each in named])}")
        options = [(_spell_flag(each), each.help or "") for each in [*flags[1:], flags[0]]]
        options.append(("--traceback", "show where in the code an error arose"))
        blocks.append(f"{heading('options')}\n{two_columns(options)}")
        blocks.append("\n".join([heading("examples"), *(f"  {each}" for each in self.examples)]))
        return "\n\n".join([*blocks, *([self.more()] if self.more else [])])

    def usage_line(self) -> str:
        """The command with its arguments."""
        return f"{self.prog} {self.written}".rstrip()

    def _with_dashes(self, word: str) -> str:
        flag, equals, value = word.partition("=")
        folded = flag.replace("_", "-")
        return f"{folded}{equals}{value}" if word.startswith("--") and folded in self._option_string_actions else word

    def _unknown(self, word: str) -> RequestError:
        flag = word.partition("=")[0]
        close = nearest(flag, self._option_string_actions)
        if "." in flag:
            return RequestError(
                f"unknown option '{flag}'", fix=f"options of the configuration are written without dashes: {flag.lstrip('-')}=VALUE"
            )
        name = flag.lstrip("-").replace("-", "_")
        if instead := answer_of(name):
            return RequestError(f"unknown option '{flag}'", why=f"that is {framework_of(name)}'s word", fix=instead)
        meant = self.setting(name)
        if meant.rpartition(".")[2] == name:
            close = ""  # an option of exactly this name is what was meant, not a flag that looks like it
        fix = (
            f"did you mean {close}?"
            if close
            else f"did you mean {meant}=VALUE (without dashes)?"
            if meant
            else f"{self.prog} --help shows all"
        )
        return RequestError(f"unknown option '{flag}'", fix=fix)

    def setting(self, name: str) -> str:
        """The option of the configuration that a flag of this name may have meant; commands that take settings tell."""
        return ""


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag to the parser of a command that builds what the files of a run name."""
    does = "run code that a run's files name though they are not known to be yours; without it that is refused, saying what would run"
    parser.add_argument("--trust-code", action="store_true", help=does)


class ConfiguredParser(Parser):
    """A parser whose command takes `key=value` settings."""

    def setting(self, name: str) -> str:
        """The nearest option of the configuration, by its last key."""
        from trainwright.config.located import option_paths
        from trainwright.systems.run_config import Config

        paths = option_paths(Config)
        close = nearest(name, [path.rpartition(".")[2] for path in paths])
        return next((path for path in paths if path.rpartition(".")[2] == close), "")


def _spell_flag(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {action.metavar or action.dest.upper()}"
