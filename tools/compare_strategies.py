"""Run every strategy over several seeds on the bundled data; write the README's table and figure.

    python tools/compare_strategies.py --out docs

Each run is a normal `tl-run` with the defaults but for what ROWS says, and stays below --runs: a
second call reads what is there. A seed fixes the split too, so the standard deviation is over
splits, fresh weights and shuffles. Takes about 45 minutes on 2 cores.
"""

import argparse
import os
import pathlib

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROWS = (  # label, strategy, n, further settings
    ("fixed", "fixed", None, {}),
    ("head", "head", None, {"epochs": 20}),
    ("add_fc", "add_fc", None, {"epochs": 20}),
    ("partial, n = 3", "partial", 3, {}),
    ("partial, n = 9", "partial", 9, {}),
    ("partial, n = 13", "partial", 13, {}),
    ("partial, n = 16", "partial", 16, {}),
    ("full", "full", None, {}),
    ("lp_ft", "lp_ft", None, {}),
    ("gradual", "gradual", None, {}),
    ("transplant, n = 9", "transplant", 9, {}),
    ("scratch", "scratch", None, {}),
)


def run_all(runs: pathlib.Path, seeds: int) -> dict[str, list[dict]]:
    """The metrics of each row's runs, one a seed."""
    import tl_strategies as tl

    results = {}
    for label, strategy, n, settings in ROWS:
        results[label] = []
        for seed in range(seeds):
            depth = "" if n is None else f"-n{n}"
            directory = runs / f"{strategy}{depth}-seed{seed}"
            resume = (directory / "plan.json").is_file()
            run = tl.fit(
                strategy, n=n, seed=seed, run_dir=str(directory), resume=resume, **settings
            )
            results[label].append(run.metrics)
            print(f"{label}, seed {seed}: test accuracy {run.metrics['test']['accuracy']:.3f}")
    return results


def table(results: dict[str, list[dict]]) -> str:
    """Markdown: mean and standard deviation of accuracies in percent, mean seconds of training."""
    lines = [
        "| strategy | epochs | validation | test | parameters trained | seconds |",
        "|---|---|---|---|---|---|",
    ]
    epochs = {label: settings.get("epochs", 8) for label, _, _, settings in ROWS}
    epochs["fixed"] = "–"
    for label, metrics in results.items():
        cells = [
            "{:.1f} ± {:.1f}".format(*_spread([100 * m[part]["accuracy"] for m in metrics]))
            for part in ("validation", "test")
        ]
        seconds = np.mean([m["seconds"]["features"] + m["seconds"]["fit"] for m in metrics])
        trained = f"{metrics[0]['trainable_parameters']:,}"
        lines.append(
            f"| {label} | {epochs[label]} | {' | '.join(cells)} | {trained} | {seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def draw(results: dict[str, list[dict]], path: pathlib.Path) -> None:
    """Test accuracy of each strategy: a dot a seed, a bar for the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.42 * len(results) + 1.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    for row, metrics in enumerate(results.values()):
        values = [100 * m["test"]["accuracy"] for m in metrics]
        axes.barh(row, np.mean(values), color="#9ecae1")
        axes.plot(values, [row] * len(values), "o", color="#08519c", markersize=4)
    axes.set_yticks(range(len(results)), results)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("test accuracy, percent (dots: seeds)")
    axes.set_title("clipart, EfficientNet-Lite0, 783 training images")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/compare"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs"))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    results = run_all(arguments.runs, arguments.seeds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "strategies.md").write_text(table(results))
    draw(results, arguments.out / "strategies.png")
    print(table(results))


if __name__ == "__main__":
    main()
