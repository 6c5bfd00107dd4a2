"""Shell commands of the README and of the documentation."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import click

from sklearn_biomoe.cli.program import COMMANDS as SUBCOMMANDS
from sklearn_biomoe.cli.program import program, run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def commands_of(page):
    """Return the arguments of each `sklearn-biomoe` command in code blocks of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ *sklearn-biomoe (.*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


COMMANDS = [
    pytest.param(command, id=f"{page.stem}: {' '.join(command[:2])}")
    for page in PAGES
    for command in commands_of(page)
]


def test_commands_are_found():
    assert len(COMMANDS) > 20


def test_the_page_of_the_command_line_lists_all_subcommands():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(SUBCOMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_commands_exist(command):
    """Parses each command, converts its values, and does not run it."""
    context = click.Context(program, info_name="sklearn-biomoe")
    group = program
    while isinstance(group, click.Group):
        name, *command = command
        context = click.Context(group, context, info_name=name)
        group = group.get_command(context, name)
        assert group is not None, name
    group.make_context(group.name, list(command), parent=context)


@pytest.fixture
def draw_report(monkeypatch, small_backbone):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("draw_report")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Scores may be misleading")
def test_commands_of_the_readme_run(draw_report, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw_report.write_study(Path("pain_study"), n_subjects=4, n_events=8)
    commands = commands_of(ROOT / "README.md")
    assert [command[0] for command in commands] == ["inspect", "windows", "check", "draw", "study"]
    for command in commands:
        assert run(command) == 0, command
    output = capsys.readouterr().out
    assert "embeddings (all signals): " in output
    for name in ("sheet_eda.png", "sheet_bvp.png", "report.html"):
        assert (tmp_path / name).stat().st_size > 10_000


# The commands of these pages read files that pages write. Those of other pages need a GPU, or files
# that are not there.
WRITTEN_BY = {
    "tutorial": ("tutorial", "events.csv"),
    "how_to_events": ("tutorial", "events.csv"),
    "how_to_cluster": ("how_to_cluster", "to_parquet"),
    "own_data": ("own_data", "wide.csv"),
}
AFTER_THE_TUTORIAL = ["how_to_ratings", "how_to_calibration"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Scores may be misleading")
@pytest.mark.parametrize("page", WRITTEN_BY)
def test_commands_of_pages_run(page, small_backbone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples(*WRITTEN_BY[page])
    pages = [page]
    if page == "tutorial":
        add_ratings(Path("my_study/events.csv"))
        pages += AFTER_THE_TUTORIAL
    commands = [command for each in pages for command in commands_of(ROOT / f"docs/{each}.md")]
    assert commands
    for command in commands:
        if "--workers" in command:  # the small backbone is in this process alone
            place = command.index("--workers")
            command = command[:place] + command[place + 2 :]
        assert run(command) == 0, command
        if "-o" in command:
            output = Path(command[command.index("-o") + 1])
            assert list(tmp_path.glob(f"{output.stem}*")), command  # or a sheet of each signal


def run_examples(page, until):
    """Run the Python code of a page in the current folder, up to the example with this text."""
    names = {}
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for example in doctest.DocTestParser().get_examples(text):
        if "TemporaryDirectory" not in example.source and "chdir" not in example.source:
            exec(compile(example.source, page, "single"), names)
        if until in example.source:
            return
    raise AssertionError(f"{page} has no {until}")


def add_ratings(path):
    """Add columns of levels and ratings to a table of events."""
    events = pd.read_csv(path)
    ratings = events["onset"] // 60 * 7 % 10  # 0, 7, 4, 1, 8, 5: not rising over the session
    levels = pd.cut(ratings, 3, labels=["none", "low", "high"])
    events.assign(level=levels, nrs=ratings).to_csv(path, index=False)
