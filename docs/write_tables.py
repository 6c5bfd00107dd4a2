"""Write the tables of the README and the documentation from the results of the benchmarks.

The text between two comments ``<!-- table of result -->`` and ``<!-- end -->`` is replaced.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

DOCS = Path(__file__).parent
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
RESULTS = DOCS.parent / "benchmarks" / "results"
EACH = ["waveform", "spectrogram_psd", "scalogram", "gadf", "composite", "all representations"]
REPRESENTATIONS = [*EACH, *(f"untrained {name}" for name in EACH)]
FUSIONS = ["early", "additive", "late, mean", "late, weighted", "late, stacking"]
PEERS = ["statistics", "catch22", "MiniRocket"]
HALVED = [
    "all representations, early",
    "all representations, late, mean",
    "all representations + catch22, early",
    "all representations + catch22, late, mean",
    "untrained all representations, early",
    *(f"{peer}, early" for peer in PEERS),
]
METHODS = {  # of the benchmark
    "embeddings": "embeddings",
    "embeddings_all": "embeddings, five images",
    "embeddings_all_catch22": "embeddings, five images, and catch22",
    "untrained": "embeddings, untrained",
    "simple_statistics": "13 statistics",
    "catch22": "catch22",
    "minirocket": "MiniRocket",
    "neurokit": "NeuroKit2",
}
TIME = {"time, linear": "elapsed time, linear", "time, spline": "elapsed time, spline"}
NAMES = METHODS | TIME | {"neurokit, its own estimate": "NeuroKit2, its own estimate"}
SHORT = ["embeddings", "simple_statistics", "catch22", "minirocket", "neurokit"]
SETS = {
    "freihaut": "Freihaut: high or low stress, in random order",
    "cogwear": "CogWear: Stroop test or rest",
    "stress_predict": "Stress-Predict: stress tasks or rest",
    "fmov": "FMOV: angry, happy or neutral face",
    "eegmat": "EEGMAT: mental arithmetic or rest",
    "bidmc_heart_rate": "BIDMC: heart rate, error in 1/min",
    "bidmc_breathing_rate": "BIDMC: breathing rate, error in 1/min",
}
TRANSFERS = {
    ("freihaut", "cogwear", "eda"): "Freihaut, tested on CogWear",
    ("cogwear", "freihaut", "eda"): "CogWear, tested on Freihaut",
    ("stress_predict", "cogwear", "all"): "Stress-Predict, tested on CogWear",
}
DATA = {
    "stress_predict_transitions": ["eda", "bvp"],
    "stress_predict_grid": ["eda", "bvp"],
    "stress_predict_grid_own": ["eda", "bvp"],
}


def main() -> None:
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        if with_tables(page) != page:
            path.write_text(with_tables(page), encoding="utf-8")


def with_tables(page: str) -> str:
    """Return the page with updated tables."""
    return re.sub(
        r"(<!-- (\w+) of (\w+) -->\n).*?(<!-- end -->)",
        lambda found: found[1] + TABLES[found[2]](found[3]) + found[4],
        page,
        flags=re.DOTALL,
    )


def fusions(data: str) -> str:
    """Return scores per representation, and per modality or fusion."""
    scores, columns = read(data), [*DATA[data], *FUSIONS]
    joined = [f"all representations + {peer}" for peer in PEERS[:2]]
    rows = [
        [name, *(score(scores, f"{name}, {column}") for column in columns)]
        for name in [*REPRESENTATIONS, *PEERS, *joined]
        if any(method.startswith(f"{name}, ") for method in scores.index)
    ]
    return table(["", *columns], rows)


def probes(data: str) -> str:
    """Return the errors of linear probes on real recordings, a table for each signal."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    parts = []
    for (source, modality), own in found.groupby(["source", "modality"], sort=False):
        if source == "simulated":
            continue
        cells = {
            (row.quantity, row.method): f"{row.value:.2f} ({row.low:.2f} to {row.high:.2f})"
            for row in own.itertuples()
        }
        quantities = list(own["quantity"].unique())
        rows = [
            [method, *(cells[quantity, method] for quantity in quantities)]
            for method in own["method"].unique()
        ]
        parts.append(f"{source}, {modality}:\n\n{table(['', *quantities], rows)}")
    return "\n" + "\n".join(parts)


def simulated_probes(data: str) -> str:
    """Return the mean R2 over the parameters of the simulators, with negative values as 0."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    found = found[found["source"] == "simulated"]
    means = (
        found.assign(value=found["value"].clip(lower=0))
        .pivot_table("value", "method", "modality", sort=False)
        .map(lambda value: "" if pd.isna(value) else f"{value:.2f}")
    )
    return table(["", *means.columns], [[name, *row] for name, row in means.iterrows()])


def alternatives(data: str) -> str:
    """Return on how many quantities other images differ from that of the preset, per modality."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    found = found[found["method"].str.startswith("open: ")]
    is_error = found["measure"] == "mean absolute error"
    lower, higher = found["difference_high"] < 0, found["difference_low"] > 0
    found["better"] = lower.where(is_error, higher)
    found["worse"] = higher.where(is_error, lower)
    found["windows"] = found["source"].where(found["source"] == "simulated", "real")
    rows = []
    for (modality, method), own in found.groupby(["modality", "method"], sort=False):
        cells = []
        for kind in ("real", "simulated"):
            part = own[own["windows"] == kind]
            counts = f"{part['better'].sum()} / {part['worse'].sum()} of {len(part)}"
            cells.append(counts if len(part) else "")
        rows.append([modality, method.removeprefix("open: "), *cells])
    columns = ["modality", "image", "real: better / worse", "simulated: better / worse"]
    return table(columns, rows)


def few_labels(data: str) -> str:
    """Return scores per number of training subjects."""
    found = pd.read_csv(RESULTS / f"{data}.csv").rename(columns={"mean": "average"})
    counts = found["n_training_subjects"].unique()
    rows = []
    for method, scores in found.groupby("method", sort=False):
        each = scores.set_index("n_training_subjects").loc[counts]
        rows.append([str(method), *(f"{s.average:.3f} ± {s.sd_over_draws:.3f}"
                                    for s in each.itertuples())])  # fmt: skip
    return table(["training subjects", *map(str, counts)], rows)


def controls(data: str) -> str:
    """Return scores of elapsed time."""
    scores = read(data)
    methods = [method for method in scores.index if method.startswith("elapsed time")]
    return table(["control", "score"], [[method, score(scores, method)] for method in methods])


def halves(data: str) -> str:
    """Return scores on the subjects used for decisions, and on the others."""
    scores = pd.read_csv(RESULTS / f"{data}_subjects.csv", index_col="method")
    scores.columns = scores.columns.astype(int)
    rows = [
        [method, *(f"{half.mean():.3f} ± {half.std(ddof=0):.3f}"
                   for half in (scores.loc[method, :18], scores.loc[method, 19:]))]
        for method in HALVED
    ]  # fmt: skip
    return table(["", "subjects 2 to 18", "subjects 19 to 35"], rows)


def comparisons(data: str) -> str:
    """Return the planned comparisons."""
    pairs = pd.read_csv(RESULTS / f"{data}_comparisons.csv")
    rows = [
        [
            pair.method,
            pair.other,
            f"{pair.difference:+.3f}",
            f"{pair.low:+.3f} to {pair.high:+.3f}",
            f"{pair.p_value:.4f}",
            f"{pair.p_corrected:.4f}",
        ]
        for pair in pairs.itertuples()
    ]
    return table(["method", "other", "difference", "95 % interval", "p", "p, corrected"], rows)


def tiles(data: str) -> str:
    """Return scores per image and pooling of tiles."""
    scores = read(data)
    parts = [str(method).partition(", ") for method in scores.index]
    images = [image for image, _, pooling in parts if pooling == "whole window, logistic"]
    poolings = dict.fromkeys(pooling for image, _, pooling in parts if image in images)
    rows = [[image, *(score(scores, f"{image}, {each}") for each in poolings)] for image in images]
    return table(["", *(pooling.replace(", logistic", "") for pooling in poolings)], rows)


def training(data: str) -> str:
    """Return scores per trained part of the network."""
    found = pd.read_csv(RESULTS / f"{data}.csv").rename(columns={"mean": "average"})
    rows = [
        [
            row.method,
            f"{row.n_folds}",
            f"{row.average:.3f} ± {row.sd_over_subjects:.3f}",
            f"{row.epochs_per_fold:.1f}" if row.epochs_per_fold else "",
            f"{row.seconds_per_fold:.1f}",
        ]
        for row in found.itertuples()
    ]
    return table(["trained part", "held-out subjects", "score", "epochs", "seconds per fold"], rows)


def breathing(data: str) -> str:
    """Return quantiles of breathing in real windows, and in simulated ones before and after."""
    keys = ["modality", "series", "quantity"]
    now = read_csv_by(data, [*keys, "windows"])
    before = read_csv_by(f"{data}_before", [*keys, "windows"])
    rows = []
    for key in now.index.droplevel("windows").unique():
        if key[2] == "error":
            continue
        each = (
            now.loc[(*key, "real")],
            before.loc[(*key, "simulated")],
            now.loc[(*key, "simulated")],
        )
        digits = 2 if key[2] in ("share", "coherence") else 1
        cells = [
            f"{row['50%']:.{digits}f} ({row['10%']:.{digits}f} to {row['90%']:.{digits}f})"
            for row in each
        ]
        rows.append([*key, *cells])
    return table([*keys, "patients", "simulated, before", "simulated, after"], rows)


def read_csv_by(data: str, keys: list[str]) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{data}.csv").set_index(keys)


def pointing(data: str) -> str:
    """Return the share of explanations that find the event."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    keys = ["event", "representation", "control"]
    by_method = found.set_index([*keys, "method"])
    rows = []
    for key in found[keys].drop_duplicates().itertuples(index=False):
        each = {method: by_method.loc[(*key, method)] for method in ("occlusion", "gradient")}
        first = each["occlusion"]
        row = [f"{key.event}, {key.representation}", key.control, f"{first['accuracy']:.2f}"]
        for axis in ("time", "frequency"):
            shares = [of[f"hit_{axis}"] for of in each.values()] + [first[f"chance_{axis}"]]
            row.append(
                "" if pd.isna(shares).any() else " / ".join(f"{each:.2f}" for each in shares)
            )
        rows.append(row)
    columns = [f"{axis}: occlusion / gradient / chance" for axis in ("time", "frequency")]
    return table(["event, representation", "model", "accuracy", *columns], rows)


def variants(data: str) -> str:
    """Return scores of variants of images, with untrained and open weights."""
    found = pd.read_csv(RESULTS / f"{data}.csv").rename(columns={"mean": "average"})
    found["score"] = [
        f"{row.average:.3f} ± {row.sd_over_subjects:.3f}" for row in found.itertuples()
    ]
    found["weights"] = found["weights"].str.partition(" ")[0]
    keys = ["modality", "variant"]
    wide = found.pivot_table("score", keys, "weights", aggfunc="first").fillna("")
    order = found[keys].drop_duplicates().sort_values("modality", ascending=False, kind="stable")
    wide = wide.loc[order.itertuples(index=False)]
    rows = []
    for (modality, variant), scores in wide.iterrows():
        settings = json.loads(variant)
        (name,) = settings.pop("representations")
        changes = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        rows.append([modality, name, changes, scores["open"], scores["random"]])
    return table(
        ["modality", "representation", "changed parameter", "open weights", "untrained"], rows
    )


def findings(data: str) -> str:
    """Return the findings of checks in untouched windows."""
    found = pd.read_csv(RESULTS / f"{data}.csv", keep_default_na=False)
    rows = [
        [row.set, f"{row.windows:,}", f"{row.subjects}",
         *(each or "none" for each in (row.errors, row.warnings, row.notes))]
        for row in found.itertuples()
    ]  # fmt: skip
    return table(["set", "windows", "subjects", "errors", "warnings", "notes"], rows)


def faults(data: str) -> str:
    """Return how many planted faults were found, of simulated and of real signals."""
    found = _read_faults(data)
    signals = list(dict.fromkeys(found["signal"]))
    rows = []
    for fault, planted in found.groupby("fault", sort=False):
        simulated = planted["set"] == "simulated"
        real = planted[~simulated]
        by_signal = (real[real["signal"] == signal] for signal in signals)
        rows.append([str(fault), _share(planted[simulated]), *map(_share, by_signal)])
    return table(["fault", "simulated", *signals], rows)


def misses(data: str) -> str:
    """Return the planted faults that were not found."""
    found = _read_faults(data)
    missed = found[found["found"] == "not found"]
    rows = [[str(name), "; ".join(own["set"])] for name, own in missed.groupby("planted")]
    return table(["not found", "set"], rows)


def _read_faults(data: str) -> pd.DataFrame:
    found = pd.read_csv(RESULTS / f"{data}.csv", keep_default_na=False)
    signals = found["planted"].str.extract(r"^(\w+)(?:,| in | as )")[0]
    return found.assign(signal=signals.fillna("labels"))


def _share(planted: pd.DataFrame) -> str:
    n_found = int((planted["found"] != "not found").sum())
    return f"{n_found} of {len(planted)}" if len(planted) else ""


def coverage(data: str) -> str:
    """Return shares of intervals that contain the mean, and rates of false positives.

    Cells are shares for increasing numbers of subjects.
    """
    columns = {
        "coverage, uncorrected": "coverage_bootstrap",
        "coverage": "coverage_corrected",
        "difference, uncorrected": "different_flips",
        "difference": "different",
        "above chance, uncorrected": "above_permutations",
        "above chance": "above",
        "below chance": "below",
    }
    found = pd.read_csv(RESULTS / f"{data}.csv")
    with_information = ~found["effect"].str.startswith("none")
    found.loc[with_information, ["above_permutations", "above"]] = float("nan")
    return shares(found, columns)


def power(data: str) -> str:
    """Return shares of tests that detect an existing effect, as `coverage` does."""
    columns = {
        "above chance": "above",
        "better than without information": "better_than_without",
        "better than elapsed time": "better_than_time",
    }
    found = pd.read_csv(RESULTS / f"{data}.csv")
    return shares(found[found["effect"].isin(["small", "large"])], columns)


def shares(found: pd.DataFrame, columns: dict[str, str]) -> str:
    """Return a row for each target, order and effect; cells have a share per number of subjects."""
    rows = []
    for keys, own in found.groupby(["task", "order", "effect"], sort=False):
        cells = [" / ".join(f"{share:.2f}" for share in own[name]) for name in columns.values()]
        rows.append([*map(str, keys), *("" if "nan" in cell else cell for cell in cells)])
    return table(["target", "order", "effect", *columns], rows)


def suite(data: str) -> str:
    """Return the mean scores of the benchmark: a row for each method, a column for each set."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    found = found[found["signals"] == "all"]
    cells = {(row.set, row.method): f"{row.mean:.3f}" for row in found.itertuples()}
    sets, methods = list(found["set"].unique()), list(found["method"].unique())
    rows = [
        [NAMES.get(method, method), *(cells.get((name, method), "") for name in sets)]
        for method in methods
    ]
    return table(["", *(SETS[name] for name in sets)], rows)


def signals(data: str) -> str:
    """Return the scores of the benchmark with each signal alone."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    found = found[found["signals"] != "all"]
    found["column"] = found["set"].map(short_title) + ", " + found["signals"]
    columns = list(found["column"].unique())
    cells = found.set_index(["method", "column"])["mean"]
    rows = [
        [NAMES[method], *(f"{cells[method, name]:.3f}" if (method, name) in cells.index else ""
                          for name in columns)]
        for method in found["method"].unique()
    ]  # fmt: skip
    return table(["", *columns], rows)


def transfers(data: str) -> str:
    """Return the share of pairs in the right order, by training set, tested set and signals."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    methods = list(found["method"].unique())
    rows = []
    for key, own in found.groupby(["trained on", "tested on", "signals"], sort=False):
        shares = own.set_index("method")["mean"]
        trained, tested, chosen = key
        row = [short_title(trained), short_title(tested), chosen, str(own["n_subjects"].iloc[0])]
        rows.append(row + [f"{shares[m]:.3f}" if m in shares.index else "" for m in methods])
    columns = ["trained on", "tested on", "signals", "subjects"]
    return table([*columns, *(NAMES[method] for method in methods)], rows)


def short_title(name: str) -> str:
    """Return the title of a set without what is predicted."""
    return SETS[name].partition(":")[0]


def summary(data: str) -> str:
    """Return the scores of a few methods of the benchmark, within sets and between them."""
    scores = pd.read_csv(RESULTS / f"{data}.csv")
    scores = scores[scores["signals"] == "all"]
    transfer = pd.read_csv(RESULTS / f"{data}_transfer.csv")
    keys = ["trained on", "tested on", "signals"]
    rows = {SETS["freihaut"]: scores[scores["set"] == "freihaut"]}
    for key, title in TRANSFERS.items():
        rows[f"trained on {title}"] = transfer[(transfer[keys] == key).all(axis=1)]
    rows[SETS["stress_predict"]] = scores[scores["set"] == "stress_predict"]
    columns = ["", "subjects", *(METHODS[method] for method in SHORT), "elapsed time alone"]
    return table(columns, [summarize(title, own) for title, own in rows.items() if len(own)])


def summarize(title: str, scores: pd.DataFrame) -> list[str]:
    """Return a row of `summary`; of the two controls of elapsed time, the better one."""
    cells = {row.method: share(row) for row in scores.sort_values("mean").itertuples()}
    times = [cell for method, cell in cells.items() if method in TIME]
    chosen = [cells.get(method, "") for method in SHORT] + [times[-1] if times else ""]
    return [title, str(scores["n_subjects"].iloc[0]), *chosen]


def share(row: Any) -> str:
    """Return a share and its interval, which the correction of its width may extend beyond 1."""
    return f"{row.mean:.2f} ({max(row.low, 0):.2f} to {min(row.high, 1):.2f})"


def methods(data: str) -> str:
    """Return a table for each set of the benchmark: methods, the best first, then elapsed time."""
    found = pd.read_csv(RESULTS / f"{data}.csv")
    found = found[(found["signals"] == "all") & found["method"].isin([*METHODS, *TIME])]
    parts = []
    for name, title in SETS.items():
        own = found[found["set"] == name]
        if own.empty:
            continue
        is_error = own["metric"].iloc[0] == "mae"
        own = own.sort_values(["is_control", "mean"], ascending=[True, is_error], kind="stable")
        rows = [
            [
                NAMES[row.method],
                f"{row.mean:.2f} ({row.low:.2f} to {row.high:.2f})" if is_error else share(row),
                f"{row.n_features:,}" if "n_features" in own else "",
                "" if row.is_control else f"{row.seconds_features:.1f}",
            ]
            for row in own.itertuples()
        ]
        counts = f"{own['n_subjects'].iloc[0]} tested subjects, {own['n_rows'].iloc[0]:,} rows"
        columns = ["method", "error" if is_error else "balanced accuracy", "features", "seconds"]
        parts.append(f"**{title}** ({counts})\n\n{table(columns, rows)}")
    return "\n" + "\n".join(parts) + "\n"


def read(data: str) -> pd.DataFrame:
    """Return scores per method, including those of a run with random weights if it exists."""
    runs = []
    for prefix in ("", "untrained "):
        path = RESULTS / f"{prefix.replace(' ', '_')}{data}.csv"
        if path.exists():
            scores = pd.read_csv(path, index_col="method")
            own = [m.startswith(tuple(EACH)) for m in scores.index]
            runs.append(scores[own].add_prefix(prefix, axis="index"))
            runs.append(scores[[not each for each in own]])
    together = pd.concat(runs)
    return together[~together.index.duplicated()]


def score(scores: pd.DataFrame, method: str) -> str:
    if method not in scores.index:
        return ""
    row = scores.loc[method]
    return f"{row['mean']:.3f} ± {row['sd']:.3f}"


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {
    "fusions": fusions,
    "controls": controls,
    "halves": halves,
    "comparisons": comparisons,
    "probes": probes,
    "simulated_probes": simulated_probes,
    "alternatives": alternatives,
    "labels": few_labels,
    "tiles": tiles,
    "training": training,
    "breathing": breathing,
    "pointing": pointing,
    "variants": variants,
    "findings": findings,
    "faults": faults,
    "misses": misses,
    "coverage": coverage,
    "power": power,
    "suite": suite,
    "signals": signals,
    "transfers": transfers,
    "summary": summary,
    "methods": methods,
}

if __name__ == "__main__":
    main()
