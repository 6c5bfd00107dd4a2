"""The result of checks: findings and measures, as text and as tables."""

from collections import Counter
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import pandas as pd

from .findings import GRADES, Finding, MeasuredSignal
from .rhythms import CLEAR, RHYTHMS

LINE = 88
MOST_ROWS = 8


@dataclass(frozen=True, eq=False, repr=False)
class CheckResults:
    """The data and tables of a `WindowReport`, which documents the parameters."""

    findings: tuple[Finding, ...]
    signals: tuple[MeasuredSignal, ...]
    qualities: tuple[pd.DataFrame, ...]
    n_windows: int
    checked: tuple[str, ...]

    def of_grade(self, grade: str) -> list[Finding]:
        """Return the findings that are "error", "warning" or "note"."""
        return [finding for finding in self.findings if finding.grade == grade]

    @property
    def headline(self) -> str:
        """Number of windows and of findings of each grade."""
        counts = Counter(finding.grade for finding in self.findings)
        listed = ", ".join(
            f"{counts[grade]} {grade}{'' if counts[grade] == 1 else 's'}" for grade in GRADES
        )
        return f"{self.n_windows:,} windows of {self._names()}: {listed}"

    def _names(self) -> str:
        return ", ".join(signal.name for signal in self.signals) or "no signal that can be read"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each finding.

        Returns
        -------
        frame : DataFrame
            With the columns grade, kind, signal, modality, subject, n_rows, rows, message, advice
            and figures.
        """
        columns = ["grade", "kind", "signal", "modality", "subject", "n_rows", "rows", "message",
                   "advice", "figures"]  # fmt: skip
        records = [
            [each.grade, each.kind, each.signal, each.modality, each.subject, len(each.rows),
             each.rows, each.message, each.advice, dict(each.figures)]
            for each in self.findings
        ]  # fmt: skip
        return pd.DataFrame(records, columns=columns).astype({"subject": object})

    def summary(self) -> pd.DataFrame:
        """Summarise each signal and subject.

        Returns
        -------
        summary : DataFrame
            Indexed by signal and subject, with the columns windows; missing, gaps, flat, clipped
            (numbers of windows); outside (share of samples beyond the axis); median;
            frequency (median of the clear rhythms of pulse or breathing, in Hz); quality (median)
            and usable (share of windows).
        """
        tables = {
            signal.name: _summarise(signal, quality)
            for signal, quality in zip(self.signals, self.qualities, strict=True)
        }
        if not tables:
            return pd.DataFrame()
        return pd.concat(tables, names=["signal", "subject"])

    def raise_for_errors(self) -> None:
        """Raise ValueError if there are errors, listing them.

        Raises
        ------
        ValueError
            If a finding is an error.
        """
        errors = self.of_grade("error")
        if errors:
            lines = "\n".join(f"- {each.kind}: {each.message} {each.advice}" for each in errors)
            raise ValueError(f"{len(errors)} checks of the windows failed:\n{lines}")

    def __str__(self) -> str:
        """Return headline, findings, a summary of each signal, and what was checked."""
        parts = [self.headline, ""]
        for finding in self.findings:
            parts += [*_describe(finding), ""]
        if self.signals:
            parts += [self._table().to_string(), ""]
        parts += ["Checked:", *(f"- {line}" for line in self.checked)]
        return "\n".join(parts)

    def __repr__(self) -> str:
        return f"<WindowReport: {self.headline}>"

    def _table(self) -> pd.DataFrame:
        """Return a row for each signal."""
        rows = {
            signal.name: {
                "modality": signal.modality,
                "Hz": signal.sampling_rate,
                "seconds": float(signal.measures["seconds"].median()),
                "missing": int(quality["missing"].sum()),
                "flat": int(quality["flat"].sum()),
                "usable": f"{100 * quality['usable'].mean():.0f} %",
                "median": f"{signal.measures['median'].median():.3g}",
            }
            for signal, quality in zip(self.signals, self.qualities, strict=True)
        }
        return pd.DataFrame.from_dict(rows, orient="index")


def _describe(finding: Finding) -> list[str]:
    about = "" if finding.signal is None else f" of {finding.signal}"
    lines = wrap(f"{finding.grade.upper()} {finding.kind}{about}: {finding.message}", LINE)
    lines += wrap(finding.advice, LINE, initial_indent="  -> ", subsequent_indent="     ")
    if finding.rows:
        lines.append(f"     {describe_rows(finding.rows)}")
    return lines


def describe_rows(rows: tuple[int, ...]) -> str:
    """Return "rows 3, 4, 5 and 40 more"."""
    more = f" and {len(rows) - MOST_ROWS:,} more" if len(rows) > MOST_ROWS else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:MOST_ROWS]))}{more}"


def _summarise(signal: MeasuredSignal, quality: pd.DataFrame) -> pd.DataFrame:
    by_subject = quality.groupby(signal.subjects)
    flags: Any = by_subject[["missing", "gaps", "flat", "clipped"]].sum()
    summary = flags.assign(
        outside=by_subject["outside"].mean(),
        median=signal.by_subject("median"),
        quality=by_subject["quality"].median(),
        usable=by_subject["usable"].mean(),
    )
    summary.insert(0, "windows", by_subject.size())
    rhythm = RHYTHMS.get(signal.modality)
    if rhythm is not None:
        clear = signal.measures[f"{rhythm.name}_strength"] >= CLEAR
        summary["frequency"] = signal.by_subject(rhythm.name, clear)
    return summary
