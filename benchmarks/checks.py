"""Checks of windows: false alarms on public recordings, and which planted faults are found.

    python benchmarks/checks.py FOLDER

FOLDER holds the data sets that `real_windows.py` reads. Writes ``results/checks_alarms.csv``,
findings in untouched windows with the number of windows that they name, and
``results/checks_faults.csv``, findings that planted faults add. A fault counts as found if a
finding of the right kind is added, or is more severe or about more windows.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import environment
import numpy as np
import pandas as pd
from real_windows import RealWindows, read_sets

from sklearn_biomoe import check_windows
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.signals import Finding, WindowReport

RESULTS = Path(__file__).parent / "results"
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
UNIT, RATE, KIND = {"unit", "range"}, {"rate", "kind"}, {"kind", "rate", "unit"}


@dataclass(frozen=True)
class Fault:
    """Windows with a fault, and the kinds of findings that name it."""

    group: str  # such as "unit"
    name: str
    expected: set[str]
    data: Any
    sampling_rates: dict[str, float]
    more: dict[str, Any] = field(default_factory=dict)  # arguments of check_windows


def plant(windows: RealWindows) -> Iterator[Fault]:
    """Yield windows with one fault each."""
    for name, rate in windows.sampling_rates.items():
        alone, rates = windows.data[[name]], {name: rate}
        for unit, change in UNITS.get(name, {}).items():
            yield Fault("unit", f"{name} in {unit}", UNIT, _changed(alone, name, change), rates)
        yield from _wrong_rates(windows, name, rate)
        for other in KINDS:
            same = {name, other} <= {"bvp", "ppg"}
            if name in KINDS and other != name and not same:
                renamed = alone.rename(columns={name: other})
                yield Fault("kind", f"{name} as {other}", KIND, renamed, {other: rate})
        yield from _sensor_faults(windows, name, rates)
    yield from _design_faults(windows)


def _wrong_rates(windows: RealWindows, name: str, rate: float) -> Iterator[Fault]:
    if name not in (*RHYTHMIC, "eda"):
        return
    rates = windows.sampling_rates
    for factor in (2, 0.5, 1000, 0.001):
        group = f"rate x {factor}"
        wrong = {name: factor * rate}
        yield Fault(group, f"{name}, rate x {factor}", RATE, windows.data[[name]], wrong)
        if name == "eda" and factor in (2, 0.5) and len(rates) > 1:
            title = f"eda, rate x {factor}, beside another signal"
            yield Fault(
                f"{group}, beside another signal",
                title,
                RATE,
                windows.data[list(rates)],
                rates | wrong,
            )


def _sensor_faults(windows: RealWindows, name: str, rates: dict[str, float]) -> Iterator[Fault]:
    alone = windows.data[[name]]
    if name not in ("spo2", "resp_rate"):  # in whole numbers
        flat = _changed(alone, name, lambda x: np.full_like(x, np.median(x)))
        yield Fault("flat", f"{name}, flat", {"flat"}, flat, rates)
        clipped = _clipped(alone, name, windows.groups)
        yield Fault("clipped", f"{name}, clipped", {"clipped", "flat"}, clipped, rates)
        copied = pd.DataFrame({name: [alone[name].iloc[0]] * len(alone)})
        yield Fault("copies", f"{name}, copies", {"repeated"}, copied, rates)
    gaps = _changed(alone, name, _with_gap)
    yield Fault("gaps", f"{name}, gaps", {"gaps"}, gaps, rates)
    yield Fault("missing", f"{name}, missing", {"missing"}, _without_half(alone, name), rates)
    if len({np.shape(window) for window in alone[name]}) > 1:
        return
    cube = np.stack([np.atleast_2d(window) for window in alone[name]])
    last = cube.transpose(0, 2, 1)
    yield Fault("channels last", f"{name}, channels last", {"form"}, {name: last}, rates)
    y = np.arange(len(cube)) % 2
    with_label = {name: np.concatenate([cube, np.zeros_like(cube[..., :1]) + y[:, None, None]], 2)}
    yield Fault("label in X", f"{name}, label as a sample", {"label"}, with_label, rates, {"y": y})


def _design_faults(windows: RealWindows) -> Iterator[Fault]:
    """Yield labels of one class, and labels in one order."""
    data, rates = windows.data, windows.sampling_rates
    subjects = pd.Series(windows.groups)
    start = subjects.groupby(subjects).cumcount().to_numpy() * 60.0
    halves = np.where(subjects.groupby(subjects).rank(method="first", pct=True) > 0.5, "b", "a")
    one = {"y": np.full(len(data), "a")}
    yield Fault("one class", "one class", {"classes"}, data, rates, one)
    whole = ["a" if number % 2 else "b" for number in pd.factorize(subjects)[0]]
    yield Fault("one class", "one class per subject", {"classes"}, data, rates, {"y": whole})
    if subjects.nunique() > 2:
        fixed = {"y": halves, "start": start}
        yield Fault("fixed order", "fixed order", {"order"}, data, rates, fixed)


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


def _without_half(data: pd.DataFrame, name: str) -> pd.DataFrame:
    cells = data[name].to_list()
    return pd.DataFrame({name: [None if row % 2 else cell for row, cell in enumerate(cells)]})


def _check(data: Any, rates: Any, groups: Any, **more: Any) -> WindowReport:
    return check_windows(data, groups=groups, sampling_rates=rates, **more)


def _most_severe(report: WindowReport) -> dict[str, tuple[int, int]]:
    """Return the most severe grade, and the number of rows, of each kind of finding."""
    found: dict[str, tuple[int, int]] = {}
    for each in report.findings:
        own = SEVERITY[each.grade], len(each.rows)
        found[each.kind] = max(found.get(each.kind, (0, 0)), own)
    return found


def _new_finding(before: WindowReport, after: WindowReport, expected: set[str]) -> str:
    """Return the most severe finding of expected kinds that is new, worse or of more rows."""
    old = _most_severe(before)
    new = [
        (*own, kind)
        for kind, own in _most_severe(after).items()
        if kind in expected and own > old.get(kind, (0, 0))
    ]
    if not new:
        return "not found"
    severity, _, kind = max(new)
    grades = {number: grade for grade, number in SEVERITY.items()}
    return f"{grades[severity]}, {kind}"


def describe_alarms(title: str, windows: RealWindows) -> dict[str, Any]:
    """Return the findings in untouched windows."""
    design = {"y": windows.target, "start": windows.start}
    report = _check(windows.data, windows.sampling_rates, windows.groups, **design)
    kinds = {
        f"{grade}s": "; ".join(map(_name, report.of_grade(grade))) for grade in reversed(SEVERITY)
    }
    n_subjects = len(np.unique(windows.groups))
    return {"set": title, "windows": len(windows.data), "subjects": n_subjects, **kinds}


def _name(finding: Finding) -> str:
    """Return kind and signal of a finding, and the number of its windows."""
    count = f" ({len(finding.rows):,})" if len(finding.rows) else ""
    return f"{finding.kind} of {finding.signal or 'windows'}{count}"


def find_faults(title: str, windows: RealWindows) -> Iterator[dict[str, str]]:
    """Yield what is found of each planted fault."""
    data = windows.data.iloc[:MOST_WINDOWS].reset_index(drop=True)
    groups = windows.groups[:MOST_WINDOWS]
    part = RealWindows(data, windows.sampling_rates, groups, None)
    reports: dict[str, WindowReport] = {}
    for fault in plant(part):
        own = fault.name.split()[0].strip(",")
        names = [own] if own in part.sampling_rates else list(part.sampling_rates)
        if len(fault.sampling_rates) > 1:
            names = list(part.sampling_rates)
        key = ", ".join(names)
        if key not in reports:
            rates = {name: part.sampling_rates[name] for name in names}
            reports[key] = _check(data[names], rates, groups)
        after = _check(fault.data, fault.sampling_rates, groups, **fault.more)
        found = _new_finding(reports[key], after, fault.expected)
        yield {"fault": fault.group, "planted": fault.name, "set": title, "found": found}


def main(folder: Path) -> None:
    """Check all sets, and write the tables."""
    made = make_biosignal_windows(8, 10, random_state=0)
    sets = {"simulated": RealWindows(made.data, made.sampling_rates, made.groups, None)}
    sets |= read_sets(folder)
    alarms, faults = [], []
    for title, windows in sets.items():
        alarms.append(describe_alarms(title, windows))
        faults += find_faults(title, windows)
        print(title, flush=True)
    pd.DataFrame(alarms).to_csv(RESULTS / "checks_alarms.csv", index=False)
    pd.DataFrame(faults).to_csv(RESULTS / "checks_faults.csv", index=False)
    environment.write(RESULTS / "checks.json")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
