"""README, documentation and examples do and say what is so."""

import importlib
import json
import pkgutil
import pydoc
import re
import runpy
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

import sklearn_biomoe
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.signals import MODALITIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(example, capsys):
    mpl.use("Agg")
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out
    assert mpl.pyplot.get_fignums()
    mpl.pyplot.close("all")


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.filterwarnings("ignore:.* windows of 'eda_waveform' leave value_range")
def test_the_ten_lines_of_the_readme_run(capsys):
    try:
        fetch_stress_predict(download_if_missing=False)
    except (OSError, ImportError) as error:
        pytest.skip(str(error))
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(block, {})
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3} over 34 subjects\n", capsys.readouterr().out)


@pytest.mark.parametrize("protocol", ["transitions", "grid"])
def test_scores_in_the_readme_are_the_committed_ones(protocol):
    table = pd.read_csv(RESULTS / f"demo_stress-predict_{protocol}.csv")
    for row in table.itertuples():
        score = f"{row.mean:.3f} ± {row.sd_over_subjects:.3f}"
        assert any(row.method in line and score in line for line in README.splitlines()), score


def test_scores_of_value_ranges_in_the_readme_are_the_committed_ones():
    table = pd.read_csv(RESULTS / "representations.csv")
    untrained = table[table["weights"].str.startswith("random")]
    untrained = untrained.set_index(["modality", "variant"])
    for variant in (
        '{"representations": ["waveform"]}',
        '{"representations": ["waveform"], "value_range": "window"}',
    ):
        row = untrained.loc[("eda", variant)]
        assert f"{row['mean']:.3f} ± {row['sd_over_subjects']:.3f}" in README


def test_tables_of_results_are_the_committed_ones(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from write_tables import with_tables

    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    written = [page for page in pages if "<!-- end -->" in page]
    assert len(written) == 6
    for page in written:
        assert with_tables(page) == page
        assert with_tables(re.sub(r"\| 0\.\d+ ±", "| 0.999 ±", page)) == page


def test_the_printed_line_in_the_readme_is_the_committed_score():
    table = pd.read_csv(RESULTS / "demo_stress-predict_transitions.csv").set_index("method")
    both = table.loc["Tiny-BioMoE, both"]
    printed = f"{both['mean']:.3f} ± {both['sd_over_subjects']:.3f} over 34 subjects"
    assert printed in README


def test_simulated_demo(small_backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for protocol in ("transitions", "grid"):
        arguments = ["demo.py", "--simulated", "--protocol", protocol, "--output", str(tmp_path)]
        monkeypatch.setattr("sys.argv", arguments)
        runpy.run_path(str(ROOT / "benchmarks" / "demo.py"), run_name="__main__")
        table = pd.read_csv(tmp_path / f"demo_simulated_{protocol}.csv").set_index("method")
        assert "SIMULATED" in capsys.readouterr().out
        assert len(table) == 8
        assert abs(table.loc["elapsed time only, linear", "mean"] - 0.5) < 0.1
        assert table.loc["statistics, both", "mean"] > 0.7
        assert (tmp_path / f"demo_simulated_{protocol}.png").stat().st_size > 10_000
        assert (tmp_path / f"demo_simulated_{protocol}.json").exists()


def test_the_benchmark_for_gpus_runs_on_a_cpu(small_backbone, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    output = tmp_path / "gpu.json"
    arguments = ["gpu.py", "--device", "cpu", "--windows", "4", "--output", str(output)]
    monkeypatch.setattr("sys.argv", arguments)
    # Whether this processor is fast in bfloat16 does not matter here.
    runpy.run_path(str(ROOT / "benchmarks" / "gpu.py"), run_name="__main__")
    found = json.loads(output.read_text())["images_per_second"]
    assert found.keys() >= {"drawing", "network, readable", "both, float32", "both, bfloat16"}
    assert min(found.values()) > 0


def test_the_table_of_modalities_is_the_code():
    def bounds(pair, none):
        if pair is None:
            return none
        low, high = pair
        return f"up to {high:g}" if low is None else f"from {low:g}" if high is None else span(pair)

    def span(pair):
        return f"{pair[0]:g} to {pair[1]:g}"

    page = (ROOT / "docs" / "modalities.md").read_text(encoding="utf-8")
    for name, preset in MODALITIES.items():
        value_range = "window"
        if preset.value_range is not None:
            scale = ", log" if len(preset.value_range) == 3 else ""
            value_range = f"{span(preset.value_range)} {preset.unit}{scale}"
        cells = [
            name,
            ", ".join(preset.representations),
            bounds(preset.band, "none"),
            f"{preset.spectrogram_window:g}" if preset.spectrogram_window else "an eighth",
            bounds(preset.frequency_range, "all"),
            value_range,
        ]
        assert f"| {' | '.join(cells)} |" in page


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.stem)
def test_links_and_images_of_pages_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_public_name_stands_in_the_api():
    """Modules that say what they offer are listed, and what they offer is described."""
    listed = re.findall(
        r"^   (sklearn_biomoe[.\w]*)$", (ROOT / "docs" / "api.rst").read_text(), re.M
    )
    shown = {f"{name}.{item}" for name in listed for item in public_names(name)}
    top = sklearn_biomoe.__all__
    modules = [
        module.name
        for module in pkgutil.walk_packages(sklearn_biomoe.__path__, "sklearn_biomoe.")
        if not module.name.endswith("__main__")
        and hasattr(importlib.import_module(module.name), "__all__")
    ]
    assert len(modules) > 8
    for name in modules:
        for item in importlib.import_module(name).__all__:
            assert f"{name}.{item}" in shown or item in top, f"{name}.{item} is not in docs/api.rst"
    pages = [README, *(page.read_text(encoding="utf-8") for page in written_for_users())]
    taught = re.findall(r"(?:from|import) (sklearn_biomoe[.\w]*)", "\n".join(pages))
    assert {name for name in taught if name not in listed} == set()
    for name in shown:
        described = pydoc.locate(name)
        if callable(described):
            assert described.__doc__, f"{name} has no docstring, so that Sphinx leaves it out"


def written_for_users():
    return [*ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.py")]


def public_names(name):
    """What Sphinx shows of a module: what it says it offers, else its own classes and functions."""
    module = importlib.import_module(name)
    own = [
        item
        for item, value in vars(module).items()
        if not item.startswith("_") and getattr(value, "__module__", None) == name
    ]
    return getattr(module, "__all__", own)


def test_every_page_is_in_the_index():
    """And every example in the gallery's order."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.M), page
    order = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    for example in ROOT.glob("examples/*.py"):
        assert f'"{example.name}"' in order, example


def test_every_fault_has_its_test():
    """And every test of a fault stands on the page."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    written = {
        path.stem: set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M))
        for path in (ROOT / "tests").glob("test_*.py")
    }
    assert named <= set.union(*written.values())
    assert written["test_faults"] <= named


def test_the_page_of_images_shows_every_representation():
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    for modality in ("eda", "bvp", "ppg", "resp", "spo2", "ecg", "emg", "eeg"):
        (section,) = [section for section in sections if f"(images/{modality}.png)" in section]
        for name, entry in REPRESENTATIONS.items():
            assert entry.joins_channels or f"`{name}`" in section, (modality, name)
