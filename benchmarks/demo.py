"""Classification of stress and rest on held-out subjects.

Embeds windows of skin conductance and pulse of Stress-Predict (simulated windows if the recordings
are not available), and evaluates each modality and both under leave-one-subject-out, together with
simple statistics and elapsed time. All subjects did the tasks in the same order, so elapsed time
predicts the label. Under the transitions protocol, a steady drift carries no information, so all
claims refer to it. A nonlinear drift does, so elapsed time is scored linearly and by a spline.
"""

import argparse
import time
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.datasets import fetch_stress_predict, make_biosignal_windows
from sklearn_biomoe.plotting import plot_image

MODALITIES = ["eda", "bvp"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=["transitions", "grid"], default="transitions")
    parser.add_argument("--simulated", action="store_true", help="use simulated signals")
    parser.add_argument("--output", type=Path, default=Path("demo_results"))
    arguments = parser.parse_args()

    windows = load(arguments.protocol, simulated=arguments.simulated)
    print(f"{windows.source}, protocol {arguments.protocol!r}: {describe(windows)}\n")
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = arguments.output / f"demo_{windows.source.split()[0].lower()}_{arguments.protocol}"

    images = draw_images(windows)
    save_images(windows, images, stem.with_suffix(".png"))
    features, weights_sha256 = compute_features(windows, images)
    table = score(windows, features)
    print("\n" + table.round(3).to_string(index=False))
    table.round(6).to_csv(stem.with_suffix(".csv"), index=False)
    environment.write(
        stem.with_suffix(".json"),
        source=windows.source,
        protocol=arguments.protocol,
        data=describe(windows),
        scores="balanced accuracy, mean and standard deviation over held-out subjects",
        test_subject=TEST_SUBJECT[arguments.protocol],
        images=[name for stack in images.values() for name in stack.image_names],
        weights="open",
        weights_sha256=weights_sha256,
    )
    print("\nBalanced accuracy, mean and standard deviation over subjects; chance is 0.5.")
    print(f"Data used of the test subject: {TEST_SUBJECT[arguments.protocol]}.")
    print(f"Table, figure and environment: {stem}.csv, .png, .json")


TEST_SUBJECT = {
    "transitions": "the earlier window of each pair, as the baseline of the later one; no labels",
    "grid": "none before testing",
}


def load(protocol: str, *, simulated: bool):
    """Return windows of the recordings, or simulated ones if these are not available."""
    if not simulated:
        try:
            windows = fetch_stress_predict(protocol=protocol)
            windows.source = "Stress-Predict recordings"
            return windows
        except (OSError, ImportError) as error:
            print(f"{error}\n")
    print(
        "*" * 88
        + "\nSIMULATED SIGNALS: the scores below are not results on real recordings.\n"
        + "*" * 88
    )
    windows = make_biosignal_windows(12, 20, modalities=MODALITIES, random_state=0)
    windows.source = "Simulated signals"
    windows.elapsed_time = np.tile(np.arange(20) * 60.0, 12)
    if protocol == "transitions":  # consecutive windows of one subject with different classes
        changes = (np.diff(windows.target) != 0) & (np.diff(windows.groups) == 0)
        later = np.flatnonzero(changes) + 1
        windows.pairs = np.column_stack([later - 1, later])
        windows.target, windows.groups = windows.target[later], windows.groups[later]
    return windows


def describe(windows) -> str:
    kind = "pairs of windows" if "pairs" in windows else "windows"
    return (
        f"{len(windows.target):,} {kind} of {len(np.unique(windows.groups))} subjects, "
        f"{windows.target.mean():.1%} stress"
    )


def draw_images(windows) -> dict:
    """Return the images of each modality."""
    return {
        modality: BiosignalImageTransformer(
            sampling_rate=windows.sampling_rates[modality], modality=modality
        ).fit_transform(windows.data[modality])
        for modality in MODALITIES
    }


def compute_features(windows, images: dict) -> tuple[dict[str, np.ndarray], str]:
    """Return the features of each method, one row per window, and the hash of the weights."""
    elapsed_time = windows.elapsed_time[:, None]
    methods = {
        "elapsed time only, linear": elapsed_time,
        "elapsed time only, spline": SplineTransformer(n_knots=20).fit_transform(elapsed_time),
    }
    parts = {m: np.stack([statistics(cell) for cell in windows.data[m]]) for m in images}
    methods |= {f"statistics, {modality}": values for modality, values in parts.items()}
    methods["statistics, both"] = np.hstack(list(parts.values()))
    for modality, stack in images.items():
        print(f"{modality}: {', '.join(stack.image_names)}")
        embedder = TinyBioMoEEmbedder(progress=True)
        parts[modality] = embedder.fit_transform(stack)
        methods[f"Tiny-BioMoE, {modality}"] = parts[modality]
    methods["Tiny-BioMoE, both"] = np.hstack(list(parts.values()))
    return methods, embedder.weights_sha256_


def statistics(signal: np.ndarray) -> np.ndarray:
    """Return thirteen simple statistics of a window."""
    change = np.diff(signal)
    slope = np.polyfit(np.linspace(0, 1, len(signal)), signal, 1)[0]
    spread = [signal.mean(), signal.std(), stats.skew(signal), stats.kurtosis(signal)]
    quantiles = np.quantile(signal, [0, 0.25, 0.5, 0.75, 1])
    return np.array([*spread, *quantiles, slope, change.std(), abs(change).mean(), change.max()])


def score(windows, features: dict[str, np.ndarray]) -> pd.DataFrame:
    """Evaluate all methods on the same held-out subjects."""
    rows = []
    for method, values in features.items():
        started = time.perf_counter()
        if "pairs" in windows:
            earlier, later = windows.pairs.T
            values = values[later] - values[earlier]
        classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
        scores = cross_val_score(
            make_pipeline(StandardScaler(), classifier),
            values,
            windows.target,
            groups=windows.groups,
            cv=LeaveOneGroupOut(),
            scoring="balanced_accuracy",
        )
        rows.append(
            {
                "method": method,
                "n_features": values.shape[1],
                "mean": scores.mean(),
                "sd_over_subjects": scores.std(),
                "n_subjects": len(scores),
                "n_rows": len(values),
                "seconds_to_score": time.perf_counter() - started,
            }
        )
    return pd.DataFrame(rows)


def save_images(windows, images: dict, path: Path) -> None:
    """Draw the signals and images of one subject at rest and under stress."""
    if "pairs" in windows:  # the first onset
        chosen = windows.pairs[np.flatnonzero(windows.target == 1)[0]]
    else:
        first = windows.groups == windows.groups[0]
        chosen = [np.flatnonzero(first & (windows.target == label))[0] for label in (0, 1)]
    rows = [(stack, i) for stack in images.values() for i in range(len(stack.image_names))]
    figure = Figure(figsize=(8, 5 * len(rows)), layout="constrained")
    grid = figure.subplots(2 * len(rows), 2, height_ratios=[1, 4] * len(rows), squeeze=False)
    for number, (stack, i) in enumerate(rows):
        for column, (window, label) in enumerate(zip(chosen, ["rest", "stress"], strict=True)):
            above, axis = grid[2 * number : 2 * number + 2, column]
            plot_image(axis, stack, window, i, above=above)
            subject = windows.data["subject"][window]
            above.set_title(
                f"{stack.image_names[i]}, subject {subject}, {label}", fontsize="medium"
            )
    figure.suptitle(f"{windows.source}: signals, and images of them for the backbone")
    figure.savefig(path)


if __name__ == "__main__":
    main()
