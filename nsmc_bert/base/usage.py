"""What --help prints: a command's flags in groups, those that matter first."""

from __future__ import annotations

import dataclasses
import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from absl import flags

SHORT = ("-h", "-help", "--help", "-?", "--helpshort")
FULL = ("-helpfull", "--helpfull")
REST = "More"
OTHERS = ("absl.", "tensorflow", "tf_keras", "keras")  # whose flags are not the command's


@dataclasses.dataclass(frozen=True)
class Usage:
    """How a command is called.

    Attributes:
        groups: the flags that matter, {title: their names}, as --help shows them; the rest stands under --helpfull.
        file: the flag that an argument without one is probably meant for, if it is the name of a file or folder.
        text: the flag that any other such argument is probably meant for.
        takes: what the command takes beside flags, in a word, such as "RUNS"; then no argument needs a flag.
    """

    groups: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    file: str = ""
    text: str = ""
    takes: str = ""

    def meant(self, argument: str) -> str:
        """What somebody probably meant with an argument that belongs to no flag: "--text=…", or "" for no idea."""
        path = os.path.expanduser(argument)
        flag = self.file if self.file and os.path.exists(path) else self.text
        return f"--{flag}={argument}" if flag else ""


def asked(arguments: Sequence[str]) -> str:
    """The first of the arguments that asks for help, or ""; one that is a flag's value or stands behind -- does not."""
    known, before = flags.FLAGS._flags(), ""
    for argument in arguments:
        if argument == "--":
            break
        flag = known.get(before.lstrip("-")) if before.startswith("-") else None
        if argument in SHORT + FULL and (flag is None or flag.boolean):
            return argument
        before = argument
    return ""


def own_flags() -> dict[str, flags.Flag]:
    """The flags that the command and its library define, {name: flag} in alphabetical order."""
    modules = flags.FLAGS.flags_by_module_dict().items()
    own = [flag for module, defined in modules if not module.startswith(OTHERS) for flag in defined]
    return {flag.name: flag for flag in sorted(own, key=lambda flag: flag.name)}


def describe(description: str, usage: Usage, full: bool) -> str:
    """What --help prints, or --helpfull.

    Args:
        description: what the command does, and an example of how it is called.
        usage: its flags in groups.
        full: whether the flags are shown that stand in no group.
    """
    own, width = own_flags(), min(shutil.get_terminal_size((100, 24)).columns, 120)
    named = {name for names in usage.groups.values() for name in names}
    rest = [name for name in own if name not in named]
    groups = {**usage.groups, REST: rest} if full or not named else usage.groups
    lines = [description.strip()]
    for title, names in groups.items():
        if names:
            lines += ["", f"{title}:"]
            for name in names:
                lines += _described(own[name], width)
    lines.append("")
    if named and rest and not full:
        lines += textwrap.wrap(f"{REST}, which --helpfull describes: {', '.join(rest)}", width, break_on_hyphens=False)
    lines += textwrap.wrap("--flagfile=FILE reads flags of a file, one a line.", width)
    return "\n".join(lines)


def _described(flag: flags.Flag, width: int) -> Iterator[str]:
    yield f"  {_form(flag)}"
    # absl adds to its help what the form says already
    text = " ".join((flag.help or "").split()).removesuffix("; repeat this option to specify a list of values")
    text = text.partition(">: ")[2] if text.startswith("<") else text
    default = _default(flag)
    if default and "Default:" not in text:
        text += f" Default: {default}."
    yield from textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)


def _form(flag: flags.Flag) -> str:
    """How a flag is written: --[no]sample, --xla=auto|on|off, --epochs=N."""
    if flag.boolean:
        return f"--[no]{flag.name}"
    values = getattr(flag.parser, "enum_values", None)
    if values:
        return f"--{flag.name}={'|'.join(value for value in values if value)}"
    kind = {"int": "N", "float": "NUMBER"}.get(flag.flag_type().removeprefix("multi "), "…")
    return f"--{flag.name}={kind}"


def _default(flag: flags.Flag) -> str:
    if flag.boolean:
        return "yes" if flag.default else "no"
    if flag.default in (None, "", [], 0):  # of which the help says what it means
        return ""
    return ",".join(map(str, flag.default)) if isinstance(flag.default, list) else str(flag.default)
