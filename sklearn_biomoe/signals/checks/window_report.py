"""The report of checks, which renders in notebooks and as a page."""

import os
from pathlib import Path

import pandas as pd

from ..._files import check_path, replace_file
from ..._validation.parameters import check_integer
from .beat_quality import NEEDED_CORRELATION, rate_beats
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

        Raises
        ------
        ValueError
            If ``path`` is a folder, or its folder does not exist.
        """
        path = check_path(path)
        replace_file(path, render_page_of_report(self, title).encode())
        return path

    def beat_quality(self, at_most: int = 20) -> pd.DataFrame:
        """Rate windows of pulse and ECG by the shape of their beats, with NeuroKit2.

        A window is usable if the mean correlation of its beats with their mean is 0.86 (pulse) or
        0.66 (ECG) or more, its heart rate from 40 to 180 beats per minute, no interval longer than
        3 s, and the longest at most 2.2 times the shortest. It takes about 0.15 s for each window.

        Parameters
        ----------
        at_most : int, default=20
            Windows of each subject, spread evenly.

        Returns
        -------
        quality : DataFrame
            Indexed by signal and subject, with the columns windows (number of those rated),
            correlation (median) and usable (share of windows).

        Raises
        ------
        ImportError
            If NeuroKit2 is not installed.

        References
        ----------
        Orphanidou et al. 2015, IEEE J. Biomed. Health Inform. 19(3):832,
        doi:10.1109/JBHI.2014.2338351; the correlation is `neurokit2.ppg_quality` and
        `neurokit2.ecg_quality` with method="templatematch".

        Examples
        --------
        >>> from sklearn_biomoe import check_windows
        >>> from sklearn_biomoe.datasets import make_biosignal_windows
        >>> made = make_biosignal_windows(2, 2, modalities=["bvp"], random_state=0)
        >>> report = check_windows(made.data, groups=made.groups, sampling_rates={"bvp": 64})
        >>> report.beat_quality(at_most=1)["usable"].tolist()
        [1.0, 1.0]
        """
        check_integer("at_most", at_most)
        rated = {
            signal.name: rate_beats(signal, at_most)
            for signal in self.signals
            if signal.modality in NEEDED_CORRELATION
        }
        if not rated:
            return pd.DataFrame(columns=["windows", "correlation", "usable"])
        return pd.concat(rated, names=["signal", "subject"])
