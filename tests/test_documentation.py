"""README, documentation pages, examples and benchmarks agree with the code and the results."""

import ast
import importlib
import json
import pkgutil
import pydoc
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest

import sklearn_biomoe
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.inference import engines
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.signals import MODALITIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


SCRIPTS = sorted(
    path for folder in ("examples", "benchmarks", "docs") for path in (ROOT / folder).glob("*.py")
)


# Examples run in the gallery of `make docs`, where each failure is an error.
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_of_scripts_exist(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn_biomoe"):
            for name in node.names:
                found = pydoc.locate(f"{node.module}.{name.name}")
                assert found is not None, f"{node.module}.{name.name}"


@pytest.mark.slow
@pytest.mark.usefixtures("small_backbone")
@pytest.mark.filterwarnings("ignore:.* windows of 'eda_waveform' leave value_range")
def test_readme_example(capsys):
    try:
        fetch_stress_predict(download_if_missing=False)
    except (OSError, ImportError) as error:
        pytest.skip(str(error))
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(block, {})
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3} over 34 subjects\n", capsys.readouterr().out)


def test_readme_numbers_match_results():
    def table(name, *index):
        found = pd.read_csv(RESULTS / f"{name}.csv", keep_default_na=False)
        return found.set_index([*index]) if index else found

    scores = table("stress_predict_transitions", "method")
    (preset,) = MODALITIES["bvp"].representations
    bvp, both = scores.loc[f"{preset}, bvp"], scores.loc["all representations, early"]
    few = table("few_labels", "method", "n_training_subjects")["mean"]
    faults = table("checks_faults")["found"]
    alarms = table("checks_alarms")
    assert (alarms["errors"] == "").all()
    studies = table("studies")[["coverage_corrected", "coverage_bootstrap"]].mean()
    time = scores.loc["elapsed time between the two, spline", "mean"]
    engine = table("engine", "form", "batch")["ratio_to_published"]
    claims = [
        f"# {bvp['mean']:.3f} ± {bvp['sd']:.3f} over 34 subjects",
        f"Five images of pulse and skin conductance score {both['mean']:.3f} ± {both['sd']:.3f}.",
        f"they score {few['open weights', 16]:.3f}, catch22 {few['catch22', 16]:.3f} "
        f"and an untrained network {few['untrained', 16]:.3f}.",
        f"Of {len(faults)} planted faults (units, rates, swapped columns, …), "
        f"{(faults != 'not found').sum()} are found; "
        f"{alarms['windows'].sum():,} untouched windows give no error.",
        f"Elapsed time alone scores {time:.3f} on this task",
        f"contain the true mean in {studies['coverage_corrected']:.0%} of cases "
        f"(plain bootstrap: {studies['coverage_bootstrap']:.0%}).",
        f"In batches of 8, the network is {engine['float32', 8]:.1f} times as fast as in its "
        f"published layout, and {engine['bfloat16', 8]:.1f} times with bfloat16.",
    ]
    text = " ".join(README.split()).replace(" %", "%")
    assert [claim for claim in claims if claim not in text] == []


def test_tables_match_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from write_tables import PAGES, with_tables

    pages = [path.read_text(encoding="utf-8") for path in PAGES]
    generated = [page for page in pages if "<!-- end -->" in page]
    assert len(generated) == 12
    for page in generated:
        assert with_tables(page) == page
        assert with_tables(re.sub(r"\| 0\.\d+ (±|\()", r"| 0.999 \1", page)) == page


@pytest.mark.slow
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


def test_gpu_benchmark_runs_on_a_cpu(small_backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(engines, "_compiled", lambda network: network)  # which takes minutes
    script, output = str(ROOT / "benchmarks" / "gpu.py"), tmp_path / "gpu.csv"
    monkeypatch.setattr("sys.argv", ["gpu.py", "--output", str(output)])
    with pytest.raises(SystemExit, match="needs a CUDA device, and torch finds none"):
        runpy.run_path(script, run_name="__main__")
    monkeypatch.setattr("sys.argv", ["gpu.py", "--dry-run", "--output", str(output)])
    runpy.run_path(script, run_name="__main__")
    table = pd.read_csv(output).set_index(["what", "batch"])
    assert table.loc[("network, fast form, float32", 2), "largest_deviation"] < 5e-5
    assert table.loc[("signals to embeddings, float32, torch", 2), "images_per_second"] > 0
    assert table.loc[("drawing, gadf: 0.0e+00 of the bytes differ", 4), "largest_deviation"] == 0
    kinds = {what.split(",")[0] for what, _ in table.index}
    assert kinds >= {"network", "order", "drawing", "hashing", "signals to embeddings"}
    assert ("network, CUDA graph, float32: the same bits: True", 1) in table.index
    assert json.loads(output.with_suffix(".json").read_text())["weights_sha256"]


def test_table_of_modalities_matches_presets():
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


LINKED = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_link_targets_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if "://" not in link and not name.startswith("mailto:"):
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_public_names_are_in_the_api_reference():
    """Modules with __all__ are listed in api.rst, and their members have docstrings."""
    listed = re.findall(
        r"^   (sklearn_biomoe[.\w]*)$", (ROOT / "docs" / "api.rst").read_text(), re.M
    )
    documented = {f"{name}.{item}" for name in listed for item in public_names(name)}
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
            assert f"{name}.{item}" in documented or item in top, (
                f"{name}.{item} is not in docs/api.rst"
            )
    pages = [README, *(page.read_text(encoding="utf-8") for page in pages_and_examples())]
    imported = re.findall(r"(?:from|import) (sklearn_biomoe[.\w]*)", "\n".join(pages))
    assert {name for name in imported if name not in listed} == set()
    for name in documented:
        member = pydoc.locate(name)
        if callable(member):
            assert member.__doc__, f"{name} has no docstring, so Sphinx omits it"


def pages_and_examples():
    return [*ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.py")]


def public_names(name):
    """Return the members in the API reference: __all__, or the module's own public members."""
    module = importlib.import_module(name)
    own = [
        item
        for item, value in vars(module).items()
        if not item.startswith("_") and getattr(value, "__module__", None) == name
    ]
    return getattr(module, "__all__", own)


def test_index_lists_pages_and_gallery_lists_examples():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.M), page
    order = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    for example in ROOT.glob("examples/*.py"):
        assert f'"{example.name}"' in order, example


def test_faults_and_their_tests_agree():
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(test_\w+)`", page))
    existing = {
        path.stem: set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M))
        for path in (ROOT / "tests").glob("test_*.py")
    }
    assert listed <= set.union(*existing.values())
    assert existing["test_faults"] <= listed


def test_image_page_describes_every_representation():
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    for modality in ("eda", "bvp", "ppg", "resp", "spo2", "ecg", "emg", "eeg"):
        (section,) = [section for section in sections if f"(images/{modality}.png)" in section]
        for name, entry in REPRESENTATIONS.items():
            assert entry.joins_channels or f"`{name}`" in section, (modality, name)
