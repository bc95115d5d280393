"""What is typed becomes values, or a message that says what is wrong with it."""

import re

import pytest

import tl_strategies as tl
from tl_apps import tl_curve, tl_inspect, tl_run, tl_search
from tl_apps.flags import Command, Flag, parse
from tl_strategies.errors import UsageError

SCHEMA = [
    Flag("epochs", int, 8, "passes"),
    Flag("rate", float, 0.5, "of learning"),
    Flag("n", str, None, "depth", numeric=True),
    Flag("resume", bool, False, "go on"),
    Flag("option", tuple, (), "may be repeated"),
    Flag("shape", str, "cosine", "of the rate", ("cosine", "step")),
    Flag("config", str, None, "preset"),
]
DEFAULTS = {flag.name: flag.default for flag in SCHEMA}


def values(*arguments):
    """What differs from the defaults."""
    found = parse("tl", SCHEMA, arguments)
    assert found.keys() == DEFAULTS.keys()
    return {name: value for name, value in found.items() if value != DEFAULTS[name]}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--epochs", "3"], {"epochs": 3}),
        (["--epochs=3"], {"epochs": 3}),
        (["-n", "3"], {"n": "3"}),
        (["--n", "-2"], {"n": "-2"}),
        (["--rate", "1e-3"], {"rate": 0.001}),
        (["--rate", "2"], {"rate": 2.0}),
        (["--resume"], {"resume": True}),
        (["--resume", "--noresume"], {}),
        (["--resume=true"], {"resume": True}),
        (["--epochs", "3", "--epochs", "4"], {"epochs": 4}),
        (["--option", "a=1", "--option", "b=-2"], {"option": ["a=1", "b=-2"]}),
        (["--shape", "step"], {"shape": "step"}),
    ],
)
def test_what_is_typed(arguments, expected):
    assert values(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "ten"], "--epochs must be a whole number. Received: ten."),
        (["--epochs", "1e3"], "--epochs must be a whole number. Received: 1e3."),
        (["--epochs", "2.0"], "--epochs must be a whole number. Received: 2.0."),
        (["--epochs", ""], "--epochs must have a value. Received: nothing."),
        (["--epochs="], "--epochs must have a value. Received: nothing."),
        (["--epochs"], "--epochs must have a value. Received: nothing."),
        (["--epochs", "--resume"], "--epochs must have a value. Received: --resume."),
        (["--n", "--noresume", "3"], "--n must have a value. Received: --noresume."),
        (["--option", "--epochs", "3"], "--option must have a value. Received: --epochs."),
        (["--n="], "--n must have a value. Received: nothing."),
        (["--rate", "fast"], "--rate must be a number. Received: fast."),
        (["--rate", "nan"], "--rate must be a number. Received: nan."),
        (["--resume=maybe"], "--resume must be true or false. Received: maybe."),
        (["--resume="], "--resume must be true or false. Received: nothing."),
        (["--resume", "true", "--n", "3"], "Received: true. What is true or false takes a sign"),
        (["--shape", "cosin"], "--shape must be one of cosine, step. Received: cosin. Did you"),
        (["--epoch", "3"], "Received: --epoch. Did you mean --epochs?"),
        (["--no-resume"], "Received: --no-resume. Did you mean --noresume?"),
        (["--no_resume"], "Received: --no_resume. Did you mean --noresume?"),
        (["--zzz"], "Flags must be those of tl --helpfull. Received: --zzz"),
        (["3"], "tl must get flags only. Received: 3."),
    ],
)
def test_what_is_wrong(arguments, message):
    with pytest.raises(UsageError) as raised:
        values(*arguments)
    assert message in str(raised.value)


def test_the_command_line_before_the_preset_before_the_defaults(tmp_path):
    (tmp_path / "a.toml").write_text("epochs = 3\nrate = 1\nn = 2\noption = ['a=1']\n")
    config = ["--config", str(tmp_path / "a.toml")]
    given = {"rate": 1, "n": "2", "option": ["a=1"], "config": config[1]}
    assert values(*config) == {"epochs": 3, **given}
    assert values("--epochs", "8", *config) == given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = '3'", "epochs in .* must be a whole number. Received: '3'"),
        ("epochs = true", "must be a whole number"),
        ("rate = nan", "rate in .* must be a number. Received: nan"),
        ("shape = 'cosin'", "shape in .* must be one of cosine, step.*Did you mean 'cosine'"),
        ("option = 'a'", "must be a list of texts"),
        ("resume = 1", "must be true or false"),
    ],
)
def test_what_is_wrong_in_a_preset(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        values("--config", str(tmp_path / "a.toml"))


@pytest.mark.parametrize("command", [tl_run, tl_search, tl_curve, tl_inspect])
def test_the_flags_of_a_command_have_their_defaults(command):
    assert parse("tl", command.FLAGS, []) == {flag.name: flag.default for flag in command.FLAGS}


def test_help_without_a_docstring():
    """As under python -OO."""
    assert Command("tl", None, SCHEMA, ("epochs",), ()).help(full=False).startswith("tl\n")


@pytest.mark.parametrize("command", [tl_run, tl_search, tl_curve, tl_inspect])
def test_help_shows_what_is_used_most_and_helpfull_all(command, capsys):
    names = {flag.name for flag in command.FLAGS}
    assert set(command.COMMON) <= names
    assert len(command.COMMON) <= 10
    shown = {}
    for flag in ("--help", "--helpfull"):
        assert command.main([flag]) == 0
        shown[flag] = re.findall(r"^  --(\w+)", capsys.readouterr().out, re.M)
    assert shown["--help"] == list(command.COMMON)
    assert sorted(set(shown["--helpfull"]) - {"option"}) == sorted(names - {"option"})


def test_what_is_asked_about_the_command(capsys):
    assert tl_run.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tl-run {tl.__version__}\n"


def test_quiet_prints_errors_alone(capsys):
    assert tl_run.main(["--dry_run"]) == 0
    assert "phase 1" in capsys.readouterr().out
    assert tl_run.main(["--dry_run", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert tl_run.main(["--quiet", "--n", "99"]) == 2
    assert "--n must be" in capsys.readouterr().err
