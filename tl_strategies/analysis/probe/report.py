"""What a probe shows: a table of units and classifiers, and accuracy over depth as a figure."""

import pathlib
import statistics
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tl_strategies.files import write_text
from tl_strategies.output import shown
from tl_strategies.runs.job import Job
from tl_strategies.tracking.figures import drawable, plain_style, save_figure

COLOURS = ("#1b3f8b", "#a01c1c", "#2e7d32", "#b8860b", "#6a1b9a", "#00838f", "#5d4037", "#555555")
MARKERS = "osD^vP*X"
MOST_BANDS = 4  # more of them hide each other
NAME = 40  # characters of a network's


def summarise(rows: list[dict[str, Any]], job: Job, chance: float | None) -> dict[str, Any]:
    """The content of summary.json: means and deviations over the splits, by network.

    Args:
        rows: of probe.csv.
        job: of any network: it has the data.
        chance: the score of naming the most frequent label.
    """
    grouped: dict[tuple, list[dict[str, Any]]] = {}
    names = network_names([(row["backbone"], row["weights"]) for row in rows])
    for row in rows:
        network = names[row["backbone"], row["weights"]]
        key = (network, row["classifier"], row["depth"])
        grouped.setdefault(key, []).append(row)
    means = [
        {
            **{"network": network, "classifier": classifier, "depth": depth},
            **{"unit": found[0]["unit"], "size": found[0]["size"], "splits": len(found)},
            "mean": statistics.fmean(row["accuracy"] for row in found),
            "deviation": statistics.stdev(row["accuracy"] for row in found)
            if len(found) > 1
            else None,
            "validation": statistics.fmean(row["validation_accuracy"] for row in found),
            "seconds": sum(row["seconds"] for row in found),
        }
        for (network, classifier, depth), found in grouped.items()
    ]
    return {
        "dataset": job.settings.dataset,
        "metric": job.task.metric,
        "chance": chance,
        "best": max(means, key=lambda row: row["validation"]),  # test images choose nothing
        "means": means,
    }


def network_names(networks: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A name of each network: of files only the last part, where that tells them apart."""
    short = {each: ", ".join(pathlib.Path(part).name for part in each) for each in networks}
    names = list(short.values())
    return {
        each: name if names.count(name) == 1 else ", ".join(each) for each, name in short.items()
    }


def write_report(directory: pathlib.Path, summary: dict[str, Any]) -> None:
    """table.txt and probe.png."""
    write_text(directory / "table.txt", table(summary) + "\n")
    save_figure(probe_figure(summary), directory / "probe.png")


def table(summary: dict[str, Any]) -> str:
    """For each network units × classifiers, as in Table 7 of Zeiler and Fergus (2014)."""
    lines = []
    for network in dict.fromkeys(row["network"] for row in summary["means"]):
        rows = [row for row in summary["means"] if row["network"] == network]
        found = {(row["depth"], row["classifier"]): row for row in rows}
        classifiers = list(dict.fromkeys(row["classifier"] for row in rows))
        units = {row["depth"]: row for row in sorted(rows, key=lambda row: row["depth"])}
        width = max(len(shown(row["unit"])) for row in rows)
        metric, splits = summary["metric"].replace("_", " "), rows[0]["splits"]
        over = f"mean ± deviation over {splits} splits" if splits > 1 else "one split"
        title = f"{shown(network)}: test {metric}, %, {over}"
        heads = "".join(f"{name:>16}" for name in classifiers)
        lines += ["", title, f"{'depth':>5}  {'unit':<{width}} {'codes':>6}{heads}"]
        for depth, unit in units.items():
            cells = [found[depth, name] for name in classifiers]
            scores = "".join(f"{_with_spread(cell):>16}" for cell in cells)
            lines.append(f"{depth:>5}  {shown(unit['unit']):<{width}} {unit['size']:>6}{scores}")
    return "\n".join(lines).strip("\n")


def _with_spread(cell: dict[str, Any]) -> str:
    mean, spread = cell["mean"], cell["deviation"]
    return f"{100 * mean:.1f}" + ("" if spread is None else f" ± {100 * spread:>4.1f}")


@plain_style()
def probe_figure(summary: dict[str, Any]) -> Figure:
    """Score over depth: a line through the means, a band of one deviation, chance as a line."""
    figure = Figure(figsize=(8.5, 5.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(summary["means"], key=lambda row: row["depth"]):
        groups.setdefault((row["network"], row["classifier"]), []).append(row)
    several = len({network for network, _ in groups}) > 1
    for i, ((network, classifier), rows) in enumerate(groups.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "ms": 4}
        depths = [row["depth"] for row in rows]
        means, spread = ([100 * (row[name] or 0) for row in rows] for name in ("mean", "deviation"))
        label = f"{classifier} on {drawable(network, NAME)}" if several else classifier
        axes.plot(depths, means, label=label, **style)
        low, high = ([m + sign * s for m, s in zip(means, spread, strict=True)] for sign in (-1, 1))
        if len(groups) <= MOST_BANDS:
            axes.fill_between(depths, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if summary["chance"] is not None:
        axes.axhline(100 * summary["chance"], color="gray", linestyle=":", label="most frequent")
    networks = " and ".join(dict.fromkeys(drawable(network, NAME) for network, _ in groups))
    metric = summary["metric"].replace("_", " ")
    axes.set_title(f"{drawable(networks, 60)} on {drawable(summary['dataset'], 40)}", fontsize=11)
    axes.set_xlabel("depth: the unit whose pooled output is classified")
    splits = max(row["splits"] for row in summary["means"])
    band = "; bands: deviation" if len(groups) <= MOST_BANDS and splits > 1 else ""
    axes.set_ylabel(f"test {metric}, %, mean of {splits} splits{band}")
    depths = [row["depth"] for row in summary["means"]]
    axes.set_xlim(min(depths) - 0.5, max(depths) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    return figure
