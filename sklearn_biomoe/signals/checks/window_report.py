"""The report of checks, which renders in notebooks and as a page."""

import os
from pathlib import Path

from ..._files import replace_file
from .check_results import CheckResults
from .report_page import render_page_of_report, render_report


class WindowReport(CheckResults):
    """Findings of `check_windows`.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first, then warnings and notes.
    signals : tuple of MeasuredSignal
        Signals that could be read, with measures of each window.
    qualities : tuple of DataFrame
        For each signal, a row for each window: missing, gaps, flat, clipped, outside, quality and
        usable.
    n_windows : int
    checked : tuple of str
        What was looked for.
    """

    def _repr_html_(self) -> str:
        return render_report(self)

    def write(self, path: str | os.PathLike[str], *, title: str = "Windows") -> Path:
        """Write the report as an HTML page without external files.

        Parameters
        ----------
        path : path-like
            In an existing folder; an existing file is replaced.
        title : str, default="Windows"

        Returns
        -------
        path : pathlib.Path
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise ValueError(
                f"path={str(path)!r}: the folder {path.parent} does not exist; create it first."
            )
        replace_file(path, render_page_of_report(self, title).encode())
        return path
