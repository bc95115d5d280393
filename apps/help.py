"""What --help and --helpfull print."""

import dataclasses
import itertools
import textwrap
from collections.abc import Callable, Sequence

from tl_apps.flags import Flag

WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as its users see it.

    Attributes:
        name: of the command.
        doc: what it does.
        flags: all of them.
        common: names of those that --help shows.
        examples: command lines.
        epilog: makes the last lines of the help, of --helpfull or not.
    """

    name: str
    doc: str | None  # under python -OO there is none
    flags: list[Flag]
    common: Sequence[str]
    examples: Sequence[str]
    epilog: Callable[[bool], str] = lambda full: ""

    def help(self, full: bool) -> str:
        """The text of --help, or of --helpfull."""
        lines = [(self.doc or self.name).strip(), "", f"usage: {self.name} [--flag value …]"]
        if full:
            grouped = itertools.groupby(self.flags, lambda flag: flag.group)
            for title, flags in grouped:
                lines += ["", f"{title}:", *_rows(list(flags))]
        else:
            known = {flag.name: flag for flag in self.flags}
            lines += ["", *_rows([known[name] for name in self.common])]
            lines += ["", "examples:", *(f"  {example}" for example in self.examples)]
        if epilog := self.epilog(full):
            lines += ["", epilog]
        if not full:
            lines += ["", f"{self.name} --helpfull shows all {len(self.flags)} flags"]
        return "\n".join(lines)


def _rows(flags: list[Flag]) -> list[str]:
    width = max(len(flag.name) for flag in flags) + 6
    lines = []
    for flag in flags:
        notes = flag.help + (f": {'|'.join(flag.choices)}" if flag.choices else "")
        if flag.kind is not bool and flag.default not in (None, ()):
            notes += f" (default: {flag.default})"
        first, *others = textwrap.wrap(notes, WIDTH - width, break_on_hyphens=False)
        lines.append(f"  --{flag.name}".ljust(width) + first)
        lines += [" " * width + line for line in others]
    return lines
