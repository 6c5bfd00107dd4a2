"""Shell commands of the README and of the documentation."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import click

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
    assert "embeddings, all: " in output
    for name in ("sheet_eda.png", "sheet_bvp.png", "report.html"):
        assert (tmp_path / name).stat().st_size > 10_000
