"""tl-compare: finished runs side by side: which is best, by how much, and is that real."""

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import QUIET, Command, Flag
from tl_strategies.files import csv_text, write_text
from tl_strategies.output import cell, shown
from tl_strategies.runs.compare import SHOWN, Row, by_task, compare, differing

RUNS = "DIRECTORY"
FLAGS = [
    Flag("csv", str, None, "write the table to this file too"),
    Flag("html", str, None, "write the table and the best runs' pictures to this file"),
    QUIET,
]
EXAMPLES = ("tl-compare runs", "tl-compare runs/a runs/b --html compared.html")
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Runs compared</title><style>'
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}"
    "img{max-width:48%;vertical-align:top}</style>BODY</html>\n"
)
PICTURES = (
    "../depth_curve.png",
    "confusion_matrix.png",
    "reliability.png",
    "worst.png",
    "least_certain.png",
)
MOST_PICTURED = 10  # runs
WIDEST = 40  # characters of a cell


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    names = [flag.name for flag in FLAGS]
    command = Command("tl-compare", __doc__, FLAGS, names, EXAMPLES, rest=RUNS)
    return cli.run_command(command, _run, argv)


def _run(values: dict[str, Any]) -> None:
    rows = compare(values[RUNS] or ["runs"])
    names = differing(rows)
    files = {name: cli.output_file(name, values[name]) for name in ("csv", "html") if values[name]}
    if "csv" in files:
        write_text(files["csv"], _csv([row.record(names) for row in rows]))
    texts, parts = [], []
    for first, others in by_task(rows):
        table = [_cells(i, row, names) for i, row in enumerate([first, *others], 1)]
        texts.append(f"{text_table(table)}\n\n{verdict(first, others)}")
        parts.append(section(first, others, table))
    if "html" in files:
        write_text(files["html"], PAGE.replace("BODY", "".join(parts)))
    print("\n\n\n".join(texts))
    for file in files.values():
        print(f"\nwritten to {shown(str(file))}")


def _csv(records: list[dict[str, Any]]) -> str:
    rows = ([cell("" if value is None else str(value)) for value in r.values()] for r in records)
    return csv_text([records[0], *rows])


def _cells(place: int, row: Row, names: list[str]) -> dict[str, str]:
    """The cells of a row for people, by column."""
    record = row.record(names)
    cells = {"": str(place)}
    cells |= {name: str(record[name]) for name in ("run", *SHOWN, "metric", *names)}
    for part in ("validation", "test"):
        mean, spread = row.score(part)
        cells[part] = "–" if math.isnan(mean) else cli.with_spread(mean, spread)
    cells["trained"] = f"{record['trained_parameters']:,}"
    cells["seconds"] = f"{record['seconds']:.0f}"
    cells["to the first"] = ""
    if row.difference is not None:
        middle, low, high = (100 * value for value in row.difference[:3])
        unsure = "" if row.told_apart else " ?"
        cells["to the first"] = f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]{unsure}"
        cells["images"] = str(row.difference[3])
    cells.setdefault("images", "")
    return cells


def text_table(table: list[dict[str, str]]) -> str:
    """The table for a terminal; what is the same in all rows is one line above it."""
    same = [
        name
        for name in (*SHOWN, "metric")
        if len(table) > 1 and len({row[name] for row in table}) == 1
    ]
    names = [name for name in table[0] if name not in same and any(row[name] for row in table)]
    lines = [[name, *(_short(row[name]) for row in table)] for name in names]
    widths = [max(map(len, column)) for column in lines]
    columns = [
        [text.ljust(width) for text in column] for column, width in zip(lines, widths, strict=True)
    ]
    above = [", ".join(f"{name} {_short(table[0][name])}" for name in same)] * bool(same)
    return "\n".join([*above, *("  ".join(line).rstrip() for line in zip(*columns, strict=True))])


def _short(text: str) -> str:
    text = shown(text)
    return text if len(text) <= WIDEST else f"…{text[1 - WIDEST :]}"


def verdict(first: Row, others: list[Row]) -> str:
    """In words, which rows cannot be told apart from the first one."""
    known = [row for row in others if row.difference is not None]
    near = sum(not row.told_apart for row in known)
    name = shown(str(first.directories[0]))
    ranked = not math.isnan(first.score("validation")[0])
    lines = [f"best on validation images: {name}" if ranked else "no run has validation images"]
    if known:
        unsure = f"{near} of {len(known)} (?) cannot be told apart from it"
        lines.append(
            "to the first: labels of test images that are right, in points, with 95 % intervals; "
            + (unsure if near else "all others can be told apart from it")
        )
    if alone := len(others) - len(known):
        lines.append(f"without predictions for the same test images: {alone}")
    return "\n".join(lines)


def section(first: Row, others: list[Row], table: list[dict[str, str]]) -> str:
    """The table of a task in HTML, and below it the pictures of the best runs."""
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in table[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(shown(text))}</td>" for text in line.values()) + "</tr>"
        for line in table
    )
    pictures = []
    for place, row in enumerate([first, *others][:MOST_PICTURED], 1):
        found = [row.directories[0] / name for name in PICTURES]
        images = "".join(
            f'<img alt="{file.stem}" src="data:image/png;base64,'
            f'{base64.b64encode(file.read_bytes()).decode()}">'
            for file in found
            if file.is_file()
        )
        pictures.append(f"<h2>{place}. {html.escape(shown(str(row.directories[0])))}</h2>{images}")
    lines = html.escape(verdict(first, others)).replace("\n", "<br>")
    title = html.escape(", ".join(first.task))
    parts = [f"<h1>{title}</h1><p>{lines}</p><table><tr>{heads}</tr>{body}</table>", *pictures]
    return "".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
