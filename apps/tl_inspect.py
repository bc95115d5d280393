"""tl-inspect: the units of a backbone; a data set; what there is; what the cache holds."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import textwrap
import time
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import Command, Flag, flags_of, of_groups
from tl_strategies.backbones.names import backbone_names, check_backbone
from tl_strategies.data.formats import is_our_figure
from tl_strategies.data.sources import SOURCES
from tl_strategies.errors import UsageError
from tl_strategies.files import read_text
from tl_strategies.image_size import parse_size
from tl_strategies.output import shown
from tl_strategies.runs.job import Checked, check, list_of, prepare
from tl_strategies.settings.groups import Data, Folds, Network, Place, Selection
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import only_one
from tl_strategies.store.cache import check_directory, check_writable, store_directory
from tl_strategies.store.store import Store
from tl_strategies.strategies import load_plugin, strategies

IMAGE_SIZE = 128  # pixels, that of the bundled backbone
SHEET = 60  # images on the contact sheet
FINDINGS = "path,label,finding"  # the beginning of labels.csv
# Of a run's flags, those that have another meaning here, or none.
LEFT_OUT = (
    *("backbone", "dataset", "split_seed", "classes", "keep", "cache", "cache_limit", "run_dir"),
)
FLAGS = [
    Flag("backbone", str, None, "list the units of this backbone: a name, or a .keras file"),
    Flag("dataset", str, None, "report on this data set; see tl-run"),
    Flag("contact_sheet", str, "contact_sheet.png", "where some of its images are drawn"),
    Flag(
        "labels",
        bool,
        False,
        "also look at the data set through the backbone's features: labels that look wrong, copies "
        "in different parts, outliers; writes labels.csv and labels.png beside the contact sheet",
    ),
    Flag("cache", bool, False, "list what the cache holds"),
    Flag("clear_cache", bool, False, "delete what the cache holds"),
    Flag("json", bool, False, "print JSON"),
    *(f for f in flags_of(Network, Data, Folds, Selection, Place) if f.name not in LEFT_OUT),
]
COMMON = (
    "backbone",
    "weights",
    "image_size",
    "dataset",
    "contact_sheet",
    "labels",
    "cache",
    "json",
)
EXAMPLES = (
    "tl-inspect",
    "tl-inspect --backbone efficientnet_lite0",
    "tl-inspect --dataset folder:photos",
    "tl-inspect --dataset folder:photos --labels",
    "tl-inspect --cache",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return cli.run_command(Command("tl-inspect", __doc__, FLAGS, COMMON, EXAMPLES), _run, argv)


def _run(values: dict[str, Any]) -> None:
    for plugin in values["plugin"]:
        load_plugin(plugin)
    cache = values["cache"] or values["clear_cache"]
    if values["labels"] and values["dataset"] is None:
        raise UsageError("--labels must come with --dataset, whose images are looked at.")
    backbone = None if values["labels"] else values["backbone"]  # what they are looked at through
    asked = {"--backbone": backbone, "--dataset": values["dataset"]}
    asked["--cache or --clear_cache"] = cache
    only_one(asked, asked)
    if cache:
        _inspect_cache(_store(values["cache_dir"]), values["clear_cache"], values["json"])
    elif values["dataset"] is not None:
        _inspect_data(values)
    elif values["backbone"] is not None:
        _inspect_backbone(values)
    else:
        _print_names(values["json"])


def _inspect_backbone(values: dict[str, Any]) -> None:
    backbone = values["backbone"]
    others = {name: values[name] for name in ("weights", "keep_top", "top")}
    others["image_size"] = parse_size(values["image_size"])
    check_backbone(backbone, **others)
    with cli.quiet_import():
        from tl_strategies.backbones.units import coarse_units, find_units
        from tl_strategies.backbones.zoo import load_backbone
    model = load_backbone(backbone, **others)
    units = find_units(model)
    note = ""
    if coarse := coarse_units(model, units):
        note = (
            f"{backbone} cannot be cut finely: most of its layers lie in "
            f"{', '.join(unit.name for unit in coarse)}, where every cut would go through several "
            "tensors, as in cells that read the outputs of two cells before them, or through the "
            "inside of a layer that cannot be opened."
        )
    if values["json"]:
        rows = [dataclasses.asdict(unit) for unit in units]
        print(json.dumps({"backbone": backbone, "units": rows, "note": note}, indent=1))
        return
    width = max(len(unit.name) for unit in units)
    print(f"{backbone}: {len(units)} units, {model.count_params():,} parameters")
    print(f"{'depth':>5}  {'unit':<{width}}  {'parameters':>12}  output shape")
    for unit in units:
        shape = " × ".join(map(str, unit.output_shape))
        print(f"{unit.depth:>5}  {unit.name:<{width}}  {unit.parameters:>12,}  {shape}")
    if note:
        print(note)


def _inspect_data(values: dict[str, Any]) -> None:
    """Print the report, write the contact sheet; images are decoded, and kept for later runs."""
    settings = Settings(
        **of_groups(values, Data, Folds), protocol=values["protocol"], cache_dir=values["cache_dir"]
    )
    sheet = pathlib.Path(values["contact_sheet"])
    check_writable("contact_sheet", sheet.parent)
    if os.path.lexists(sheet) and not is_our_figure(sheet):
        raise UsageError(
            f"--contact_sheet must not be a file of yours. Received: {sheet}, which tl-strategies "
            "has not drawn. Name another one."
        )
    if settings.folds and not settings.fold:
        settings = dataclasses.replace(settings, fold=1)
    checked = _check_labels(values, settings, sheet.parent) if values["labels"] else None
    store = _store(settings.cache_dir)
    with cli.quiet_import():
        from tl_strategies.data.images import load_images
        from tl_strategies.data.report import data_text, describe_data, report_json
        from tl_strategies.tracking.figures import save_figure, sheet_figure
        from tl_strategies.tracking.progress import progress_bar
    cli.import_source(settings.dataset)
    listing = list_of(settings)
    size, splitting = settings.image_size or IMAGE_SIZE, settings.splitting
    splitting = dataclasses.replace(splitting, validation=True)
    silent = values["json"]  # so that nothing else is printed
    bar = (lambda done: None) if silent else progress_bar(len(listing.paths), "decoding images")
    images = load_images(listing, size, splitting, store, bar)
    report = describe_data(images)
    chosen = images.some_of_each(SHEET)
    captions = [shown(images.listing.label_text(i)) or "none" for i in chosen]
    title = f"{len(images.rows)} images of {listing.source}"
    save_figure(sheet_figure(images[chosen], captions, title), sheet)
    if values["json"]:
        print(report_json(report))
    else:
        print(data_text(report, whole=True))
        print(f"some of them: {sheet}")
    if checked is not None:
        _look_through(checked, sheet.parent)


def _check_labels(values: dict[str, Any], settings: Settings, folder: pathlib.Path) -> Checked:
    """What looking at labels needs, before anything is computed."""
    if importlib.util.find_spec("cleanlab") is None:
        raise UsageError(
            "--labels must have cleanlab. Received: it is not installed. "
            "Run: pip install 'tl-strategies[labels]'"
        )
    if values["json"]:
        raise UsageError("--labels must come without --json: what it finds is in labels.csv.")
    table, sheet = folder / "labels.csv", folder / "labels.png"
    ours = not os.path.lexists(table) or read_text(table).startswith(FINDINGS)
    if not ours or (os.path.lexists(sheet) and not is_our_figure(sheet)):
        raise UsageError(
            f"labels.csv and labels.png must not be files of yours. Received: {folder}. Name "
            "another folder by --contact_sheet."
        )
    chosen = {name: values[name] for name in ("weights", "keep_top", "top")}
    if values["backbone"]:
        chosen["backbone"] = values["backbone"]
    return check(dataclasses.replace(settings, strategy="fixed", **chosen))


def _look_through(checked: Checked, folder: pathlib.Path) -> None:
    """Write what is found about labels, copies and outliers; say how much it is."""
    from tl_strategies.analysis.labels import look_through, write_findings
    from tl_strategies.runs.trainer import Trainer

    images, findings = look_through(Trainer(prepare(checked)))
    write_findings(folder, images, findings)
    print(
        f"through {checked.settings.backbone}: {len(findings.wrong)} labels look wrong, "
        f"{len(findings.copies)} copies in different parts, {len(findings.outliers)} outliers: "
        f"{folder / 'labels.csv'}, {folder / 'labels.png'}"
    )


def _store(cache_dir: str | None) -> Store:
    try:
        directory = store_directory(cache_dir)
    except RuntimeError as error:  # of ~nobody, who has no home
        raise UsageError(f"--cache_dir must be a path. Received: {cache_dir}: {error}") from error
    check_directory("cache_dir", directory)
    return Store(directory)


def _inspect_cache(store: Store, clear: bool, as_json: bool) -> None:
    if clear:
        store.clear()
    tables = store.tables()
    if as_json:
        print(json.dumps(tables, indent=1))
        return
    print(f"{store.directory}: {sum(table['bytes'] for table in tables) / 1e9:.3f} GB")
    row = "{:<18}{:>8}{:>9}  {:<11}{:>6}{:>7}  {}"
    if tables:
        print(row.format("last used", "GB", "rows", "what", "size", "depth", "backbone"))
    for table in reversed(tables):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(table["used"]))
        rest = [table.get(name, "") for name in ("kind", "image_size", "depth", "backbone")]
        print(row.format(used, f"{table['bytes'] / 1e9:.3f}", table["rows"], *rest))


def _print_names(as_json: bool) -> None:
    described = {name: cls.description() for name, cls in strategies().items()}
    if as_json:
        names = {"strategies": described, "backbones": backbone_names(), "datasets": SOURCES}
        print(json.dumps(names, indent=1))
        return
    for title, entries in (("strategies", described), ("data sets", SOURCES)):
        width = max(map(len, entries))
        print(f"{title}:")
        for name, description in entries.items():
            print(f"  {name:<{width}}  {description}".rstrip())
    print("backbones (and any .keras file):")
    names = textwrap.fill(" ".join(backbone_names()), 89, break_on_hyphens=False)
    print(textwrap.indent(names, "  "))


if __name__ == "__main__":
    raise SystemExit(main())
