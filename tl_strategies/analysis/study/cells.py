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
    """One network of a study."""

    split: str  # the name of the halves
    direction: str  # "AB" trains on B, "BA" on A; the letters of a treatment are as for "AB"
    treatment: str  # one of TREATMENTS
    n: int  # the transfer depth; 0 of a base
    repeat: int  # its number, from 0

    @property
    def name(self) -> str:
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
    def strategy(self) -> dict[str, Any]:
        """The settings of the strategy that trains it."""
        if self.treatment == "base":
            return {"strategy": "scratch", "n": None, "option": {}}
        fine_tune, random = self.treatment.endswith("+"), self.treatment.startswith("R")
        option = {"fine_tune": fine_tune, "random": random}
        return {"strategy": "transplant", "n": self.n, "option": option}

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
    """The treatments in a flag, in the order of TREATMENTS; of "all" those that are possible."""
    if text == "all":
        return ("base", "AnB", "AnB+", "RnB", "RnB+") if given else TREATMENTS
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TREATMENTS:
            raise unknown("--treatments", name, TREATMENTS)
    if "base" not in names:
        raise UsageError(f"--treatments must have base, to compare with. Received: {text}.")
    return tuple(name for name in TREATMENTS if name in names)
