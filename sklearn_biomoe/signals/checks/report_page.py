"""The report of checks as HTML: findings, a table, and small plots of each signal."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array, FloatArray
from ..modalities import MODALITIES
from .check_results import CheckResults, describe_rows
from .findings import Finding, MeasuredSignal
from .measures import BREATHING_BAND, PULSE_BAND, fill_gaps

WIDTH, HEIGHT, MARGIN = 320, 120, 18
MOST_POINTS = 600  # of a curve
MOST_SUBJECTS = 40  # in a plot of medians
MOST_WINDOWS = 200  # in a spectrum
DECIBELS = 60.0
HEADINGS = {"outside": "off the axis", "frequency": "rhythm (Hz)"}
# Shown by the style sheet if the table is wider than the screen.
HINT = (
    '<div class="hint" aria-hidden="true"><span>Scroll sideways \N{RIGHTWARDS ARROW}</span></div>'
)
HIGHEST_SHOWN = {"eda": 1.0, "bvp": 8.0, "ppg": 8.0, "resp": 2.0, "ecg": 40.0, "eeg": 45.0}
OWN_BAND = {"bvp": PULSE_BAND, "ppg": PULSE_BAND, "ecg": PULSE_BAND, "resp": BREATHING_BAND}


def render_page_of_report(report: CheckResults, title: str) -> str:
    """Return a page with the report, without external files."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
        "'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n</head>\n"
        f'<body style="margin: 0 auto; max-width: 66rem">\n<h1 style="font: 600 24px/1.3 '
        f'system-ui, Arial, sans-serif; padding: 1rem 1rem 0; margin: 0">{escape(title)}</h1>\n'
        f"{render_report(report)}\n</body>\n</html>\n"
    )


def render_report(report: CheckResults) -> str:
    """Return the report as an HTML element with its style sheet."""
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    parts = [
        f"<style>{style}</style>",
        '<div class="window-report">',
        f"<h2>{escape(report.headline)}</h2>",
        _render_findings(report.findings),
        *_render_signals(report),
        '<details><summary>What was checked</summary><ul class="checked">',
        *(f"<li>{escape(line)}</li>" for line in report.checked),
        "</ul></details>",
        "</div>",
    ]
    return "\n".join(parts)


def _render_findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>Nothing was found.</p>"
    return f"<ul>{''.join(map(_render_finding, findings))}</ul>"


def _render_finding(finding: Finding) -> str:
    about = "" if finding.signal is None else f", {finding.signal}"
    rows = f"<p><small>{describe_rows(finding.rows)}</small></p>" if finding.rows else ""
    return (
        f'<li class="finding {finding.grade}"><p><b>{finding.grade.capitalize()}: {finding.kind}'
        f"{escape(about)}.</b> {escape(finding.message)}</p>"
        f"<p>{escape(finding.advice)}</p>{rows}</li>"
    )


def _render_signals(report: CheckResults) -> Iterator[str]:
    for signal, quality in zip(report.signals, report.qualities, strict=True):
        yield (
            f"<h3>{escape(signal.name)}: {signal.modality}, {signal.sampling_rate:g} Hz, windows "
            f"of {signal.measures['seconds'].median():.4g} s, {100 * quality['usable'].mean():.0f} "
            "% usable</h3>"
        )
        plots = [_plot_medians(signal), _plot_spectrum(signal), *_plot_examples(signal, quality)]
        yield f'<div class="plots">{"".join(plots)}</div>'
    summary = report.summary()
    if len(summary):
        yield "<details><summary>Each signal and subject</summary>"
        yield f'<div class="scroll"><div class="content">{HINT}{_render_table(summary)}</div></div>'
        yield "</details>"


def _render_table(summary: pd.DataFrame) -> str:
    names = (HEADINGS.get(name, name) for name in summary.columns)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in names)
    body = []
    for key, row in summary.iterrows():
        signal, subject = key if isinstance(key, tuple) else (key, "")
        cells = "".join(f"<td>{_format(value, name)}</td>" for name, value in row.items())
        name = f"{escape(str(signal))}, {escape(str(subject))}"
        body.append(f"<tr><th>{name}</th>{cells}</tr>")
    return (
        f"<table><thead><tr><th>Signal, subject</th>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _format(value: Any, name: Any) -> str:
    if pd.isna(value):
        return "\N{EN DASH}"
    if name in ("outside", "usable"):
        return f"{100 * value:.0f} %"
    return f"{value:.3g}" if value % 1 else f"{value:.0f}"


def _figure(caption: str, content: str, axis: tuple[str, str]) -> str:
    left, right = axis
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">'
        f'{content}<text x="2" y="{HEIGHT - 4}">{escape(left)}</text>'
        f'<text x="{WIDTH - 2}" y="{HEIGHT - 4}" text-anchor="end">{escape(right)}</text></svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _curve(values: FloatArray, kind: str = "") -> str:
    """Return a curve over the width, from its smallest to its largest value."""
    if len(values) > MOST_POINTS:  # extremes of each piece, so that peaks stay visible
        pieces = np.array_split(values, MOST_POINTS // 2)
        values = np.concatenate([[piece.min(), piece.max()] for piece in pieces])
    low, high = float(values.min()), float(values.max())
    x = np.linspace(2, WIDTH - 2, len(values))
    y = HEIGHT - MARGIN - (values - low) / ((high - low) or 1.0) * (HEIGHT - MARGIN - 6)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="curve {kind}" points="{points}"/>'


def _plot_medians(signal: MeasuredSignal) -> str:
    """Return the 10th, 50th and 90th percentile of the medians of windows of each subject."""
    medians = signal.measures.groupby("subject")["median"]
    levels = [np.percentile(own, [10, 50, 90]) for _, own in medians]
    values = np.array(sorted(levels, key=lambda each: float(each[1])))
    if len(values) > MOST_SUBJECTS:
        values = values[np.linspace(0, len(values) - 1, MOST_SUBJECTS).astype(int)]
    low, high = float(values.min()), float(values.max())
    x = 6 + (values - low) / ((high - low) or 1.0) * (WIDTH - 12)
    step = (HEIGHT - MARGIN - 8) / len(values)
    marks = []
    for number, (left, middle, right) in enumerate(x):
        y = 4 + step * (number + 0.5)
        marks.append(
            f'<line class="range" x1="{left:.1f}" x2="{right + 0.5:.1f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><circle class="middle" cx="{middle:.1f}" cy="{y:.1f}" r="1.8"/>'
        )
    axis = (f"{low:.3g}", f"{high:.3g}")
    unit = MODALITIES[signal.modality].unit
    expected = f" ({unit} is expected)" if unit else ""
    return _figure(f"Medians of windows, a line for each subject{expected}", "".join(marks), axis)


def _plot_spectrum(signal: MeasuredSignal) -> str:
    """Return the mean power of windows in decibels, with the band of the own rhythm."""
    present = signal.windows.present
    _, values = next(iter(present[:: max(1, len(present) // MOST_WINDOWS)].by_length()))
    samples = fill_gaps(values[:, 0].astype(np.float64))
    window = np.hanning(samples.shape[1])
    power = np.abs(np.fft.rfft((samples - samples.mean(axis=1, keepdims=True)) * window)) ** 2
    total = power.sum(axis=1, keepdims=True)
    mean = np.divide(power, total, out=np.zeros_like(power), where=total > 0).mean(axis=0)
    frequencies = np.fft.rfftfreq(samples.shape[1], 1 / signal.sampling_rate)
    top = min(HIGHEST_SHOWN.get(signal.modality, np.inf), signal.sampling_rate / 2)
    shown = mean[1 : max(3, int(np.searchsorted(frequencies, top)))]
    largest = shown.max() or 1.0
    decibels = 10 * np.log10(np.maximum(shown / largest, 10 ** (-DECIBELS / 10)))
    band = ""
    if signal.modality in OWN_BAND:
        start, stop = (WIDTH * min(1.0, edge / top) for edge in OWN_BAND[signal.modality])
        band = (
            f'<rect class="band" x="{start:.1f}" width="{stop - start:.1f}" y="0" '
            f'height="{HEIGHT - MARGIN}"/>'
        )
    shaded = "; shaded: physiological" if band else ""
    return _figure(
        f"Spectrum in decibels{shaded}", band + _curve(decibels), ("0 Hz", f"{top:.3g} Hz")
    )


def _plot_examples(signal: MeasuredSignal, quality: pd.DataFrame) -> Iterator[str]:
    """Yield the windows of highest and lowest quality that are not missing."""
    scores = quality["quality"].where(~quality["missing"]).astype(float)
    scores = scores - quality["flat"] - quality["gaps"] - quality["outside"].fillna(0.0)
    scores = scores.dropna().sort_values(kind="stable")
    if not len(scores):
        return
    shown = {"Highest quality": scores.index[-1], "Lowest quality": scores.index[0]}
    if scores.iloc[0] == scores.iloc[-1]:
        shown = {"Example": scores.index[0]}
    for name, row in shown.items():
        samples = fill_gaps(_first_channel(signal, int(row)))[0]
        axis = ("0 s", f"{len(samples) / signal.sampling_rate:.4g} s")
        is_usable = bool(quality["usable"][row])
        caption = f"{name}{'' if is_usable else ', not usable'}: row {row}, "
        caption += f"{samples.min():.3g} to {samples.max():.3g}"
        yield _figure(caption, _curve(samples, "" if is_usable else "poor"), axis)


def _first_channel(signal: MeasuredSignal, row: int) -> Array:
    return np.asarray(signal.windows.values[row], dtype=np.float64)[:1]
