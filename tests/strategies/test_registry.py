"""Names, package.module:Class, installed packages."""

import pytest

import tl_strategies as tl
from tl_strategies.strategies import get_strategy, registry, strategies


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setattr(registry, "_strategies", dict(registry._strategies))


def test_a_class_by_its_path():
    cls = get_strategy("tl_strategies.strategies.fine_tune:Partial")
    assert cls is strategies()["partial"]
    for wrong in ("tl_strategies.strategies.fine_tune:Partail", "no.such:Thing", "json:dumps"):
        with pytest.raises(tl.UsageError, match="must be"):
            get_strategy(wrong)


def test_a_module_that_speaks_and_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "leaving.py").write_text("print('going')\nraise SystemExit(3)\n")
    with pytest.raises(tl.UsageError, match="leaving:Mine: SystemExit: 3"):
        get_strategy("leaving:Mine")
    assert capsys.readouterr() == ("", "going\n")


def test_an_installed_package_adds_a_strategy(monkeypatch):
    class Entry:
        name = "elsewhere"

        @staticmethod
        def load():
            return type("Elsewhere", (tl.Strategy,), {"__doc__": "From another package."})

    monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: [Entry()])
    assert get_strategy("elsewhere").description() == "From another package"


def test_a_class_defined_anew_takes_its_place():
    """As by a notebook's cell that runs twice; another class of that name does not."""
    first, second, other = (
        type(name, (tl.Strategy,), {"__doc__": "Mine.", "__module__": "__main__"})
        for name in ("Mine", "Mine", "Yours")
    )
    tl.register("mine")(first)
    tl.register("mine")(second)
    assert get_strategy("mine") is second
    with pytest.raises(tl.UsageError, match="name must be free"):
        tl.register("mine")(other)
