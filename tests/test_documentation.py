"""README, documentation and examples do and say what is so."""

import re
import runpy
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from sklearn_biomoe.datasets import fetch_stress_predict

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(example, capsys):
    mpl.use("Agg")
    runpy.run_path(str(example), run_name="__main__")
    assert "balanced accuracy" in capsys.readouterr().out
    mpl.pyplot.close("all")


@pytest.mark.usefixtures("small_backbone")
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


def test_the_printed_line_in_the_readme_is_the_committed_score():
    table = pd.read_csv(RESULTS / "demo_stress-predict_transitions.csv").set_index("method")
    both = table.loc["untrained Tiny-BioMoE, both"]
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


def test_the_page_of_pictures_shows_every_modality_and_credits_it(monkeypatch):
    page = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    shown = [ROOT / "docs" / path for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)]
    assert sorted(shown) == sorted((ROOT / "docs" / "pictures").glob("*.png"))
    assert all(path.stat().st_size < 400_000 for path in shown)
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from recordings import _WINDOWS

    words = " ".join(page.split())
    for modality, (*_, source) in _WINDOWS.items():
        assert ROOT / "docs" / "pictures" / f"{modality}.png" in shown
        assert source.split(";")[0] in words
