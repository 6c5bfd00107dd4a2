"""BIDMC: pulse, heart and breathing of intensive care patients, with rates to predict."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import FloatArray
from ..recordings import read_study
from ..signals.cutting import cut_windows
from ..signals.events import EventSettings
from ..signals.windows_bunch import WindowsBunch
from ._folders import Source, describe, open_files

SOURCE = Source(
    "bidmc",
    "BIDMC",
    "To download them manually, get the folder bidmc_csv of "
    "https://physionet.org/content/bidmc/1.0.0.",
    "https://physionet.org/files/bidmc/1.0.0/bidmc_csv/",
    ("bidmc_csv",),
)
CHANNELS = {"ppg": "PLETH", "ecg": "II", "resp": "RESP"}
RATE = 125  # Hz of the signals
NUMERICS = {
    "heart_rate": "HR",
    "pulse_rate": "PULSE",
    "breathing_rate": "RESP",
    "spo2": "SpO2",
}
MIN_KNOWN = 0.5  # of the seconds of a window

_DESCR = """\
BIDMC PPG and Respiration Dataset 1.0.0: finger pulse (PPG), ECG (lead II) and impedance
respiration at 125 Hz of 53 patients of an intensive care unit, 8 minutes each, with the heart rate,
pulse rate, breathing rate and oxygen saturation of the monitor once per second, and the breaths
that two annotators marked in the respiration signal. The targets are rates, not pain or stress.

Licence: Open Data Commons Attribution License 1.0 (ODC-By). Cite: Pimentel M.A.F. et al. 2017,
"Toward a Robust Estimation of Respiratory Rate From Pulse Oximeters", IEEE Transactions on
Biomedical Engineering 64(8):1914-1923, doi:10.1109/TBME.2016.2613124; the record,
doi:10.13026/C2208R; and Goldberger A.L. et al. 2000, "PhysioBank, PhysioToolkit, and PhysioNet",
Circulation 101(23):e215-e220.

Pitfalls: the patients are severely ill. Rates differ more between patients than within the 8
minutes of one: split by patient. The annotators saw the respiration signal, so their rates are not
independent of column `resp`. They differ by more than 2 breaths per minute in 24 of 424 windows of
60 s. The monitor's breathing rate is 0 for 220 s of patient 13, whose annotated breaths continue at
20 per minute: 0 is taken as missing. Signals are in the units of the monitor, not calibrated. Other
leads differ between patients and are not read.
"""


def fetch_bidmc(
    *,
    data_home: str | os.PathLike[str] | None = None,
    duration: float = 60,
    step: float | None = None,
    on_error: str = "raise",
    download_if_missing: bool = True,
) -> Bunch:
    """Load windows of pulse, ECG and respiration with measured rates from BIDMC.

    The files are searched as `fetch_stress_predict` does, in folders named ``bidmc``; each may be
    compressed with gzip. If they are not found, they are downloaded (146 MB).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder for the files.
    duration : float, default=60
        Length of a window in seconds.
    step : float, default=None
        Seconds between the starts of consecutive windows. None takes ``duration``.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its patient is left out and listed in
        ``skipped`` and ``DESCR``.
    download_if_missing : bool, default=True
        If False, raise OSError if the files are not found.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``ppg``, ``ecg`` (lead II) and ``resp``. Cells of the latter three
            are float64 arrays of shape (125 * duration,), read-only views of the recording. 424
            rows for windows of 60 s.
        target : DataFrame of shape (n_windows, 6), float64
            - ``heart_rate`` (from the ECG), ``pulse_rate`` (from the PPG), ``breathing_rate`` (all
              per minute) and ``spo2`` (percent) are means of the monitor's values in the window;
              NaN if less than half of the seconds have a value. A breathing rate of 0 is none.
            - ``breathing_rate_1`` and ``breathing_rate_2`` are 60 s divided by the mean interval
              between the breaths in the window that each annotator marked; NaN if there are fewer
              than two.
        groups : ndarray of shape (n_windows,), int
            The patient, 1 to 53.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the recording.
        sampling_rates : dict of str to float
            In Hz, by modality.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation and pitfalls.

    Raises
    ------
    ValueError
        If the content of a file does not match its hash, or windows do not fit the recordings.
    OSError
        If the files are not found and must not be downloaded, or the download fails.
    ImportError
        If a download is required and pooch is not installed.

    References
    ----------
    Pimentel M.A.F. et al. 2017, "Toward a Robust Estimation of Respiratory Rate From Pulse
    Oximeters", IEEE Transactions on Biomedical Engineering 64(8):1914-1923,
    doi:10.1109/TBME.2016.2613124.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_bidmc
    >>> windows = fetch_bidmc()  # doctest: +SKIP
    >>> windows.data.shape, windows.target.shape  # doctest: +SKIP
    ((424, 4), (424, 6))
    """
    EventSettings(duration, step, None, None, None, "drop").check()
    files, skipped = open_files(
        SOURCE,
        data_home,
        download_if_missing=download_if_missing,
        on_error=on_error,
        subject_of=_patient,
    )
    signals = {_patient(path): file for path, file in files.items() if path.endswith("Signals.csv")}
    recordings = read_study(
        pd.DataFrame({"subject": signals.keys(), "path": signals.values()}),
        signals=CHANNELS,
        sampling_rates=dict.fromkeys(CHANNELS, RATE),
        time=False,  # it has two decimals from 100 s on, fewer than the rate needs
    )
    windows = cut_windows(
        {int(patient): recording for patient, recording in recordings.items()},
        duration=duration,
        step=step,
    )
    targets = []
    for patient in recordings:
        starts = windows.start_times[windows.groups == int(patient)]
        names = (f"bidmc_{patient}_{kind}.csv" for kind in ("Numerics", "Breaths"))
        numerics, breaths = (_read_table(files[name]) for name in names)
        targets.append(_rates(numerics, breaths, starts, duration))
    return WindowsBunch(
        data=windows.data,
        target=pd.concat(targets, ignore_index=True),
        groups=windows.groups,
        elapsed_time=windows.start_times,
        sampling_rates=windows.sampling_rates,
        skipped=skipped,
        DESCR=describe(_DESCR, skipped),
    )


def _patient(path: str) -> str:
    """Return "07" of "bidmc_07_Signals.csv"."""
    return path.split("_")[1]


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, skipinitialspace=True)


def _rates(
    numerics: pd.DataFrame, breaths: pd.DataFrame, starts: FloatArray, duration: float
) -> pd.DataFrame:
    """Return the targets of a patient's windows."""
    seconds = numerics["Time [s]"].to_numpy()
    numerics = numerics.replace({"RESP": {0: np.nan}})
    rows = []
    for start in starts:
        inside = numerics[(seconds >= start) & (seconds < start + duration)]
        means = {
            target: inside[name].mean() if inside[name].notna().mean() >= MIN_KNOWN else np.nan
            for target, name in NUMERICS.items()
        }
        counted = {
            f"breathing_rate_{annotator}": _rate_of_breaths(
                breaths.iloc[:, annotator - 1].to_numpy() / RATE, start, duration
            )
            for annotator in (1, 2)
        }
        rows.append(means | counted)
    return pd.DataFrame(rows, dtype=float)


def _rate_of_breaths(times: FloatArray, start: float, duration: float) -> float:
    """Return breaths per minute from the first to the last breath in a window."""
    inside = np.sort(times[(times >= start) & (times < start + duration)])
    if len(inside) < 2:
        return np.nan
    return float(60 * (len(inside) - 1) / (inside[-1] - inside[0]))
