"""Names, plug-in files, package.module:Class."""

import pytest

import tl_strategies as tl
from tl_strategies.strategies import get_strategy, load_plugin, registry, strategies

MINE = '''
import tl_strategies as tl

@tl.register("{name}")
class LastThird(tl.Strategy):
    """Fine-tune the last third of the units."""

    def trainable(self, unit, depth_count):
        return unit.depth > 2 * depth_count / 3
'''


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setattr(registry, "_strategies", dict(registry._strategies))


def test_a_plugin_file_adds_a_strategy(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE.format(name="last_third"))
    load_plugin(file)
    load_plugin(file)
    assert get_strategy("last_third").description() == "Fine-tune the last third of the units"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import tl_strategies as tl\n1/0\n", "line 2: ZeroDivisionError"),
        ("def broken(:\n", "line 1: SyntaxError"),
        ("x = 1\n", "must register a strategy"),
        (MINE.format(name="partial"), "name must be free"),
        (MINE.format(name="Last Third"), "lower_snake_case"),
        (MINE.format(name="bare").replace('"""Fine-tune', '""\n    """'), "docstring"),
    ],
)
def test_a_broken_plugin_says_where(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(tl.UsageError, match=message):
        load_plugin(file)
    assert "last_third" not in strategies()


def test_a_missing_plugin(tmp_path):
    with pytest.raises(tl.UsageError, match="does not exist"):
        load_plugin(tmp_path / "none.py")


def test_a_class_by_its_path():
    cls = get_strategy("tl_strategies.strategies.partial:Partial")
    assert cls is strategies()["partial"]
    for wrong in ("tl_strategies.strategies.partial:Partail", "no.such:Thing", "json:dumps"):
        with pytest.raises(tl.UsageError, match="must be"):
            get_strategy(wrong)


def test_an_installed_package_adds_a_strategy(monkeypatch):
    class Entry:
        name = "elsewhere"

        @staticmethod
        def load():
            return type("Elsewhere", (tl.Strategy,), {"__doc__": "From another package."})

    monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: [Entry()])
    assert get_strategy("elsewhere").description() == "From another package"
