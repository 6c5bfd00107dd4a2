"""Classification of rest and mental arithmetic from EEG and ECG, on eight held-out subjects.

All subjects rested first and calculated afterwards, in two recordings. Elapsed time and drifting
electrodes therefore predict the label, and no claims are based on these scores. They show whether a
method finds any information in EEG and ECG. Eight subjects give coarse p-values. Windows have 10 s
without overlap and are balanced per subject: rest is three times as long, so its windows are
selected evenly. Four of the twenty EEG channels are used, one per quarter of the head.

Reads EEG During Mental Arithmetic Tasks (Zyma et al. 2019, PhysioNet) from the folder ``eegmat`` in
``SKLEARN_BIOMOE_DATA``.
"""

import argparse
import os
import warnings
from pathlib import Path

import comparison
import numpy as np
from edfio import read_edf
from stress_predict import seed_of_random_weights

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.evaluation import LeakWarning, run_study
from sklearn_biomoe.weights import weights_sha256

CHANNELS = {"eeg": ["EEG F3", "EEG F4", "EEG P3", "EEG P4"], "ecg": ["ECG ECG"]}
SECONDS, RATE = 10, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="open")
    parser.add_argument("--folder", type=Path, default=Path("eegmat_results"))
    parser.add_argument("--output", type=Path, default=Path("eegmat_results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    signals, target, groups, intervals = load(Path(os.environ["SKLEARN_BIOMOE_DATA"]) / "eegmat")
    folder = arguments.folder / arguments.weights.replace("/", "_")
    rates = dict.fromkeys(CHANNELS, float(RATE))
    features = comparison.compute_features(
        signals, rates, folder, arguments.weights, untrained=True
    )
    table = comparison.Table.of({key: each.values for key, each in features.items()})
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", LeakWarning
        )  # the results and the report contain the alarms
        study = run_study(
            comparison.make_methods(table, list(CHANNELS)),
            table.values,
            target,
            groups,
            intervals=intervals,
            folder=folder / "study",
            n_jobs=2,
            progress=True,
        )
    comparison.save(
        study,
        features,
        arguments.output / "eegmat",
        data="eegmat, subjects 00 to 07, 10 s windows",
        test_subject="no data used before testing",
        n_rows=len(target),
        weights=arguments.weights,
        weights_sha256=weights_sha256(arguments.weights, seed_of_random_weights()),
    )
    images = {
        modality: BiosignalImageTransformer(
            ["waveform"], sampling_rate=RATE, modality=modality
        ).fit_transform(signals[modality])
        for modality in CHANNELS
    }
    print(study.report(folder / "eegmat.html", images=images, title="EEG mental arithmetic"))


def load(folder: Path):
    """Cut balanced windows; intervals are in seconds from the start of the rest."""
    signals: dict[str, list[np.ndarray]] = {modality: [] for modality in CHANNELS}
    target, groups, intervals = [], [], []
    for subject in range(8):
        recordings = [read_edf(folder / f"Subject{subject:02d}_{part}.edf") for part in (1, 2)]
        n_windows = [int(recording.duration // SECONDS) for recording in recordings]
        n_selected = min(n_windows)
        offset = 0.0
        for label, recording, n in zip(["rest", "arithmetic"], recordings, n_windows, strict=True):
            starts = np.linspace(0, n - 1, n_selected).round().astype(int) * SECONDS
            channels = {signal.label: signal for signal in recording.signals}
            for modality, names in CHANNELS.items():
                for name in names:
                    if channels[name].sampling_frequency != RATE:
                        raise ValueError(f"{name} of subject {subject} is not at {RATE} Hz.")
                data = np.stack([channels[name].data for name in names])
                signals[modality] += [
                    data[:, start * RATE : (start + SECONDS) * RATE] for start in starts
                ]
            target += [label] * n_selected
            groups += [subject] * n_selected
            intervals += [(offset + start, offset + start + SECONDS) for start in starts]
            offset += recording.duration
    stacked = {modality: np.stack(windows) for modality, windows in signals.items()}
    return stacked, np.array(target), np.array(groups), np.array(intervals)


if __name__ == "__main__":
    main()
