"""Draw the report at the top of the README, by the commands of the README.

Simulates the recordings of a study of three levels, runs the shell commands of the README on them,
and takes a screenshot of the scores in the report. Requires `pip install '.[test]'` and Chromium.
"""

import re
import shlex
import shutil
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_biomoe.cli.program import run
from sklearn_biomoe.datasets import make_biosignal_windows

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "docs" / "images" / "report.png"
MARGIN = 24  # pixels around the section
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
RATES = {"eda": 4, "bvp": 64}  # Hz
BEFORE, DURATION, PAUSE = 2, 18, 15  # seconds before an event, from its onset, and between windows


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        write_study(Path("pain_study"), n_subjects=10, n_events=8)
        for command in read_commands():
            if command[0] in ("windows", "study") and run(command) != 0:
                raise SystemExit(f"failed: {command}")
        draw(Path("report.html"))


def write_study(folder: Path, n_subjects: int, n_events: int) -> None:
    """Write simulated recordings, a file for each subject and signal, and a table of events."""
    folder.mkdir()
    options = {"modalities": list(RATES), "duration": BEFORE + DURATION, "random_state": 0}
    weak, strong = (
        make_biosignal_windows(n_subjects, n_events, effect_size=size, **options)
        for size in (0.5, 1.5)
    )
    random = np.random.default_rng(0)
    events = []
    for subject in np.unique(weak.groups):
        name, rows = f"P{subject:02d}", np.flatnonzero(weak.groups == subject)
        is_strong = random.permutation(len(rows)) % 2 == 1
        effect = weak.target[rows] == 1
        levels = np.where(effect, np.where(is_strong, "high", "low"), "none")
        onsets = BEFORE + np.arange(len(rows)) * (BEFORE + DURATION + PAUSE)
        events += [(name, onset, 8, level) for onset, level in zip(onsets, levels, strict=True)]
        for signal, rate in RATES.items():
            parts = []
            for row, of_strong in zip(rows, is_strong, strict=True):
                samples = (strong if of_strong else weak).data[signal][row]
                parts += [samples, np.resize(samples[::-1], PAUSE * rate)]  # which has no jump
            samples = np.concatenate(parts)
            table = pd.DataFrame({"time": np.arange(len(samples)) / rate, signal: samples.round(4)})
            table.to_csv(folder / f"{name}_{signal}.csv", index=False)
    columns = ["subject", "onset", "duration", "level"]
    pd.DataFrame(events, columns=columns).to_csv(folder / "events.csv", index=False)


def read_commands() -> list[list[str]]:
    """Return the arguments of each `sklearn-biomoe` command in the shell block of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in commands if words[:1] == ["sklearn-biomoe"]]


def draw(page: Path) -> None:
    """Write the scores of a report as an image of 256 colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = driver.chromium.launch(executable_path=path)
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.goto(page.resolve().as_uri())
        section = tab.locator("section", has=tab.locator("h2", has_text="Scores")).first
        # The last column of the table has seconds, which depend on the machine.
        section.evaluate(
            "node => node.querySelectorAll('tr > :last-child').forEach(cell => cell.remove())"
        )
        box = section.bounding_box()
        clip = {"x": box["x"] - MARGIN, "y": box["y"] - MARGIN}
        clip |= {name: box[name] + 2 * MARGIN for name in ("width", "height")}
        tab.screenshot(path="report.png", clip=clip, full_page=True)
        browser.close()
    Image.open("report.png").convert("RGB").quantize(256).save(OUTPUT, optimize=True)


if __name__ == "__main__":
    main()
