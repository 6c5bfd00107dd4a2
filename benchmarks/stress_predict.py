"""Main benchmark: classification of stress and rest on held-out subjects of Stress-Predict.

Two modalities, five representations and five fusions, compared and combined with statistics,
catch22 and MiniRocket, and compared with elapsed time, under leave-one-subject-out. All claims
refer to the transitions protocol; only there, random weights are evaluated as well. The grid
protocol is scored twice: without data of the test subject, and with features standardised by all
unlabelled windows of each subject. Every step is stored in a folder, so that interrupted runs
resume. Writes a table, planned comparisons and the environment of each protocol, and an HTML report
to the folder.
"""

import argparse
import warnings
from pathlib import Path

import comparison
import numpy as np
from sklearn.preprocessing import SplineTransformer

from sklearn_biomoe import SubjectScaler
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.evaluation import LeakWarning, run_study
from sklearn_biomoe.transformers import BiosignalImageTransformer
from sklearn_biomoe.weights import weights_sha256

MODALITIES = ["eda", "bvp"]
SECONDS = 60
TEST_SUBJECT = {
    "transitions": "the earlier window of each pair, as the baseline of the later one; no labels",
    "grid": "none before testing",
    "grid_own": "all unlabelled windows, to standardise features",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="open")
    parser.add_argument("--protocols", nargs="+", default=list(TEST_SUBJECT))
    parser.add_argument("--folder", type=Path, default=Path("stress_predict_results"))
    parser.add_argument("--output", type=Path, default=Path("stress_predict_results"))
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for protocol in arguments.protocols:
        run(protocol, arguments)


def run(protocol: str, arguments: argparse.Namespace) -> None:
    windows = fetch_stress_predict(protocol=protocol.removesuffix("_own"))
    signals = {m: np.stack(list(windows.data[m]))[:, None] for m in MODALITIES}
    folder = arguments.folder / arguments.weights.replace("/", "_")
    features = comparison.compute_features(
        signals,
        windows.sampling_rates,
        folder / protocol.removesuffix("_own"),
        arguments.weights,
        precision=arguments.precision,
        # for the grid, run --weights random
        untrained="pairs" in windows,
    )
    values = {key: each.values for key, each in features.items()}
    starts = windows.elapsed_time
    values["time", "linear"] = starts[:, None]
    values["time", "spline"] = SplineTransformer(n_knots=20).fit_transform(starts[:, None])
    intervals = np.column_stack([starts, starts + SECONDS])
    if "pairs" in windows:
        earlier, later = windows.pairs.T
        values = {key: each[later] - each[earlier] for key, each in values.items()}
        intervals = np.column_stack([starts[earlier], starts[later] + SECONDS])
    table = comparison.Table.of(values)
    if protocol == "grid_own":
        scaler = SubjectScaler("own")
        table.values = scaler.fit_transform(table.values, groups=windows.groups)
    methods = comparison.make_methods(table, MODALITIES)
    controls = {}
    if "pairs" in windows:
        controls = {
            f"elapsed time between the two, {kind}": table.early(("time", kind))
            for kind in ("linear", "spline")
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakWarning)  # the report contains the alarms
        study = run_study(
            methods | controls,
            table.values,
            np.array(["rest", "stress"])[windows.target],
            windows.groups,
            intervals=intervals,
            folder=folder / f"study_{protocol}",
            n_jobs=arguments.jobs,
            progress=True,
        )
    study.controls = (*study.controls, *controls)
    comparison.save(
        study,
        features,
        arguments.output / f"stress_predict_{protocol}",
        data=f"Stress-Predict, subjects 2 to 35, protocol {protocol!r}",
        test_subject=TEST_SUBJECT[protocol],
        n_rows=len(table.values),
        precision=arguments.precision,
        weights=arguments.weights,
        weights_sha256=weights_sha256(arguments.weights, seed_of_random_weights()),
    )
    images = {}
    if "pairs" not in windows:  # each row is one window
        images = {
            modality: BiosignalImageTransformer(
                [name], sampling_rate=windows.sampling_rates[modality], modality=modality
            ).fit_transform(signals[modality])
            for modality, name in [("eda", "waveform"), ("bvp", "spectrogram_psd")]
        }
    page = study.report(
        folder / f"{protocol}.html", images=images, title=f"Stress-Predict, {protocol}"
    )
    print(f"{page}\n")


def seed_of_random_weights() -> int:
    """Return the seed that an embedder with random_state=0 draws."""
    return int(np.random.RandomState(0).randint(2**31))


if __name__ == "__main__":
    main()
