"""Files that describe a release agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import sklearn_biomoe

ROOT = Path(sklearn_biomoe.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))


def lower_bounds(requirements):
    return dict(each.split(">=") for each in requirements)


def pinned(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


CORE = lower_bounds(PROJECT["dependencies"])


def test_versions():
    assert sklearn_biomoe.__version__ == CITATION["version"] == RECIPE["context"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == CITATION["version"]


def test_oldest_versions_are_the_lower_bounds():
    oldest = pinned("constraints-oldest.txt")
    for name, bound in CORE.items():
        if name != "torch":  # of which there are no small builds
            assert re.sub(r"(\.0)+$", "", oldest[name]) == re.sub(r"(\.0)+$", "", bound), name


@pytest.mark.parametrize("name", ["constraints-oldest.txt", "constraints-newest.txt"])
def test_core_dependencies_are_pinned(name):
    assert CORE.keys() <= pinned(name).keys()


def test_recipe_has_the_dependencies_of_the_package():
    extras = lower_bounds(
        requirement
        for extra in ("data", "progress", "plot", "cli")
        for requirement in PROJECT["optional-dependencies"][extra]
        if ">=" in requirement
    )
    expected = CORE | extras | {"python": "${{ python_min }}"}
    renamed = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    run = dict(each.split(" >=") for each in RECIPE["requirements"]["run"])
    assert run == {renamed.get(name, name): bound for name, bound in expected.items()}
    assert RECIPE["context"]["python_min"] == PROJECT["requires-python"].removeprefix(">=")


def test_documentation_is_built_with_the_pinned_torch():
    configuration = (ROOT / ".readthedocs.yaml").read_text("utf-8")
    assert f"torch=={pinned('constraints.txt')['torch']} " in configuration


def test_links():
    links = PROJECT["urls"]
    assert CITATION["repository-code"] == RECIPE["about"]["repository"] == links["Source"]
    assert CITATION["url"] == RECIPE["about"]["homepage"] == links["Documentation"]
    texts = [path.read_text("utf-8") for path in (ROOT / ".github").rglob("*.yml")]
    found = re.findall(r"https://[^\s/]+(?:/sklearn-biomoe){0,2}", "\n".join(texts))
    assert set(found) == {links["Source"], links["Documentation"]}


def test_templates_are_valid_forms():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text("utf-8"))
        if path.stem != "config":
            assert {"name", "description", "body"} <= form.keys()
            assert {part["type"] for part in form["body"]} <= {"markdown", "textarea"}
