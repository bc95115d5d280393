"""The cells of a transferability study: one network each, in an order that shows much early."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from tl_strategies.analysis.study.halves import Halves
from tl_strategies.errors import UsageError, unknown

TREATMENTS = ("base", "BnB", "AnB", "BnB+", "AnB+", "RnB", "RnB+")
DIRECTIONS = ("AB", "BA")  # from A to B, and from B to A


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """One network of a study.

    Attributes:
        split: the name of the halves.
        direction: "AB" trains on B, "BA" on A; the letters of a treatment are as for "AB".
        treatment: one of TREATMENTS.
        n: the transfer depth; 0 of a base.
        repeat: its number, from 0.
    """

    split: str
    direction: str
    treatment: str
    n: int
    repeat: int

    @property
    def name(self) -> str:
        """Of its directory."""
        return f"{self.split}-{self.direction}-{self.treatment}-n{self.n}-r{self.repeat}"

    @property
    def source(self) -> "Cell | None":
        """The base whose weights are transferred; None where there is none, or they are given."""
        origin = self.treatment[0]
        if origin not in "AB" or (origin == "A" and self.split.startswith("given")):
            return None
        direction = self.direction if origin == "B" else self.direction[::-1]
        return Cell(self.split, direction, "base", 0, self.repeat)

    @property
    def strategy(self) -> tuple[str, dict[str, Any]]:
        """Name and hyper-parameters of the strategy that trains it."""
        if self.treatment == "base":
            return "scratch", {}
        kind, fine_tune = self.treatment[0], self.treatment.endswith("+")
        return "transplant", {"n": self.n, "fine_tune": fine_tune, "random": kind == "R"}

    def seed(self, first: int) -> int:
        """Of its fresh weights and the order of its images."""
        digest = hashlib.blake2b(f"{first} {self.name}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little")


def make_cells(
    splits: Sequence[Halves], treatments: Sequence[str], depths: Sequence[int], repeats: int
) -> list[Cell]:
    """All cells, and the bases that they need; a repeat of a split after the other."""
    cells: dict[Cell, None] = {}
    for repeat in range(repeats):
        for halves in splits:
            wanted = [
                Cell(halves.name, direction, treatment, n, repeat)
                for direction in (DIRECTIONS if halves.a else DIRECTIONS[:1])
                for treatment in treatments
                for n in ((0,) if treatment == "base" else depths)
            ]
            bases = {cell if cell.treatment == "base" else cell.source for cell in wanted} - {None}
            cells |= dict.fromkeys([*sorted(bases), *wanted])
    return list(cells)


def parse_treatments(text: str, given: bool) -> tuple[str, ...]:
    """The treatments in a flag, in the order of TREATMENTS; of "all" those that A's weights allow.

    Raises:
        UsageError: there is no such treatment, or base is not among them.
    """
    if text == "all":
        return ("base", "AnB", "AnB+", "RnB", "RnB+") if given else TREATMENTS
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TREATMENTS:
            raise unknown("--treatments", name, TREATMENTS)
    if "base" not in names:
        raise UsageError(f"--treatments must have base, to compare with. Received: {text}.")
    return tuple(name for name in TREATMENTS if name in names)
