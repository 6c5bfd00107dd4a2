"""Findings of checks, and the signals that they are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array
from ..windows import Windows

GRADES = ("error", "warning", "note")  # by decreasing severity
N_NAMED = 5  # subjects in a message


@dataclass(frozen=True)
class Finding:
    """Something in the windows that is probably wrong.

    Parameters
    ----------
    grade : {"error", "warning", "note"}
        "error": results would be meaningless; "warning": they may be misleading; "note": worth
        knowing.
    kind : str
        What is wrong, such as "unit".
    signal : str or None
        The column; None if the finding is about labels, subjects or several signals.
    modality : str or None
        Of the signal.
    subject : str, int or None
        If a single subject of several is affected.
    message : str
        What was found.
    advice : str
        What to do.
    rows : tuple of int
        Affected rows of X, in order.
    figures : mapping of str to object
        Numbers behind the message.
    """

    grade: str
    kind: str
    signal: str | None
    modality: str | None
    subject: Any
    message: str
    advice: str
    rows: tuple[int, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.grade}: {self.kind}: {self.message} {self.advice}"


@dataclass(frozen=True, eq=False)
class MeasuredSignal:
    """The windows of one signal, and what was measured in them.

    Parameters
    ----------
    name : str
        The column.
    modality : str
    sampling_rate : float
        In Hz.
    windows : Windows
    measures : DataFrame
        As from `measure_windows`, and the column subject.
    subjects : ndarray of shape (n_windows,)
    """

    name: str
    modality: str
    sampling_rate: float
    windows: Windows
    measures: pd.DataFrame
    subjects: Array

    def rows(self, affected: Any) -> Array:
        """Return the windows with an affected channel, given a mask of ``measures``."""
        return np.unique(self.measures["row"].to_numpy()[np.asarray(affected, dtype=bool)])

    def by_subject(self, column: str, affected: Any = None) -> pd.Series:
        """Return the median of a column for each subject, of the affected windows."""
        measures = self.measures if affected is None else self.measures[affected]
        return measures.groupby("subject")[column].median()

    def finding(
        self, grade: str, kind: str, message: str, advice: str, rows: Array | None = None,
        **figures: Any,
    ) -> Finding:  # fmt: skip
        """Make a finding about rows of this signal; all that are not missing by default."""
        if rows is None:
            rows = np.flatnonzero(~self.windows.missing)
        affected = np.unique(self.subjects[rows])
        single = len(affected) == 1 and len(np.unique(self.subjects)) > 1
        subject = affected[0].item() if single else None
        return Finding(
            grade, kind, self.name, self.modality, subject, message, advice,
            tuple(np.asarray(rows).tolist()), figures,
        )  # fmt: skip

    def count(self, rows: Array) -> str:
        """Return "3 of 48 windows of 'eda' (subjects 'S1', 'S2')"."""
        affected, everyone = np.unique(self.subjects[rows]), np.unique(self.subjects)
        text = f"{len(rows):,} of {len(self.windows):,} windows of {self.name!r}"
        if len(everyone) == 1 or (len(affected) == len(everyone) > 1):
            return text
        return f"{text} ({describe_subjects(affected)})"


def describe_subjects(subjects: Iterable[Any]) -> str:
    """Return "subject 'S1'" or "subjects 'S1', 'S2' and 3 more"."""
    names = [repr(getattr(subject, "item", lambda each=subject: each)()) for subject in subjects]
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return f"subject{'s' if len(names) > 1 else ''} {', '.join(names[:N_NAMED])}{more}"
