"""Checks of windows: false alarms on public recordings, and which planted faults are found.

    python benchmarks/checks.py FOLDER

FOLDER holds the data sets that `real_windows.py` reads. Writes ``results/checks.md``.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from real_windows import RealWindows, read_sets

from sklearn_biomoe import check_windows
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.signals import WindowReport

RESULTS = Path(__file__).parent / "results" / "checks.md"
MOST_WINDOWS = 1200
SEVERITY = {"note": 1, "warning": 2, "error": 3}
# Of the signals, what is done to each window.
UNITS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "eda": {
        "S": lambda x: x * 1e-6,
        "mS": lambda x: x * 1e-3,
        "nS": lambda x: x * 1e3,
        "MΩ": lambda x: 1 / np.maximum(x, 1e-3),
        "kΩ": lambda x: 1e3 / np.maximum(x, 1e-3),
        "Ω": lambda x: 1e6 / np.maximum(x, 1e-3),
        "0 to 1": lambda x: (x - x.min()) / max(np.ptp(x), 1e-12),
        "standardised": lambda x: (x - x.mean()) / max(x.std(), 1e-12),
    },
    "spo2": {"fraction": lambda x: x / 100},
    "resp_rate": {"Hz": lambda x: x / 60},
    "ecg": {"V": lambda x: x / 1e3, "counts": lambda x: np.round(x * 1e3)},
    "eeg": {"V": lambda x: x * 1e-6},
}
RHYTHMIC = ("bvp", "ppg", "ecg", "resp")
KINDS = ["eda", "bvp", "ppg", "ecg", "resp", "spo2"]
Planted = tuple[str, pd.DataFrame, dict[str, float]]  # fault, windows, sampling rates


def plant(windows: RealWindows) -> Iterator[Planted]:
    """Yield windows with one fault each."""
    for name, rate in windows.sampling_rates.items():
        alone, rates = windows.data[[name]], {name: rate}
        for unit, change in UNITS.get(name, {}).items():
            yield f"{name} in {unit}", _changed(alone, name, change), rates
        for factor in (2, 0.5, 1000, 0.001):
            if name in (*RHYTHMIC, "eda"):
                yield f"{name}, rate times {factor}", alone, {name: factor * rate}
        for other in KINDS:
            same = {name, other} <= {"bvp", "ppg"}
            if name in KINDS and other != name and not same:
                yield f"{name} as {other}", alone.rename(columns={name: other}), {other: rate}
        if name in ("spo2", "resp_rate"):
            continue
        yield f"{name}, flat", _changed(alone, name, lambda x: np.full_like(x, np.median(x))), rates
        yield f"{name}, clipped", _clipped(alone, name, windows.groups), rates
        yield f"{name}, gaps", _changed(alone, name, _with_gap), rates


def _changed(data: pd.DataFrame, name: str, change: Callable[[Any], Any]) -> pd.DataFrame:
    return pd.DataFrame({name: [change(window) for window in data[name]]})


def _clipped(data: pd.DataFrame, name: str, groups: Any) -> pd.DataFrame:
    cells = data[name].to_list()
    for subject in np.unique(groups):
        rows = np.flatnonzero(groups == subject)
        limit = np.nanquantile(np.concatenate([cells[row].ravel() for row in rows]), 0.9)
        for row in rows:
            cells[row] = np.minimum(cells[row], limit)
    return pd.DataFrame({name: cells})


def _with_gap(window: Any) -> Any:
    window = np.array(window, dtype=float)
    window[..., : window.shape[-1] // 10] = np.nan
    return window


def _check(data: pd.DataFrame, rates: Any, windows: RealWindows, **more: Any) -> WindowReport:
    return check_windows(data, None, windows.groups, sampling_rates=rates, **more)


def _new_findings(before: WindowReport, after: WindowReport, name: str) -> str:
    """Return the gravest finding that is new, or graver than without the fault."""
    grades: dict[str, int] = {}
    for finding in before.findings:
        if finding.signal == name:
            grades[finding.kind] = max(grades.get(finding.kind, 0), SEVERITY[finding.grade])
    new = [
        (SEVERITY[each.grade], f"{each.grade}, {each.kind}")
        for each in after.findings
        if each.signal is not None and SEVERITY[each.grade] > grades.get(each.kind, 0)
    ]
    return max(new)[1] if new else "not found"


def main(folder: Path) -> None:
    """Check all sets, and write the tables."""
    made = make_biosignal_windows(8, 10, random_state=0)
    sets = {"simulated": RealWindows(made.data, made.sampling_rates, made.groups, None)}
    sets |= read_sets(folder)
    alarms = ["| set | windows | subjects | errors | warnings | notes |", "|---" * 6 + "|"]
    found: dict[str, dict[str, str]] = {}
    for title, windows in sets.items():
        rates = windows.sampling_rates
        report = _check(windows.data, rates, windows, start=windows.start)
        kinds = {
            grade: ", ".join(
                f"{each.kind} of {each.signal or 'windows'}" for each in report.of_grade(grade)
            )
            for grade in SEVERITY
        }
        listed = " | ".join(kinds[grade] or "none" for grade in reversed(SEVERITY))
        alarms.append(
            f"| {title} | {len(windows.data):,} | {len(np.unique(windows.groups))} | {listed} |"
        )
        rows = slice(0, MOST_WINDOWS)
        start = None if windows.start is None else windows.start[rows]
        data = windows.data.iloc[rows].reset_index(drop=True)
        part = RealWindows(data, rates, windows.groups[rows], start)
        before = {name: _check(data, {name: rate}, part) for name, rate in rates.items()}
        for fault, planted, given in plant(part):
            name = fault.split()[0].strip(",")
            after = _check(planted, given, part)
            new = _new_findings(before[name], after, next(iter(given)))
            found.setdefault(fault, {})[title] = new
    faults = pd.DataFrame.from_dict(found, orient="index")[list(sets)].fillna("")
    head = ["| fault | " + " | ".join(faults.columns) + " |", "|---" * (len(sets) + 1) + "|"]
    body = [f"| {fault} | {' | '.join(row)} |" for fault, row in faults.iterrows()]
    text = ["# Findings in untouched recordings", "", *alarms, "", "# Planted faults", ""]
    RESULTS.write_text("\n".join([*text, *head, *body, ""]), encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
