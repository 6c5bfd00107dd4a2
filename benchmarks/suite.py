"""Benchmark of embeddings: all sets, all methods, transfers between sets, and probes.

Runs `sklearn_biomoe.benchmark.run_benchmark`, and writes the table of scores, the transfers, the
ranks, the page and the environment. Features, embeddings and predictions are stored in a folder, so
that interrupted runs resume. Sets that were not found are listed in the environment.
"""

import argparse
import importlib.metadata
import json
import time
from pathlib import Path

import environment

from sklearn_biomoe.benchmark import SETS, make_methods, run_benchmark
from sklearn_biomoe.weights import weights_sha256

RESULTS = Path(__file__).parent / "results"
PEERS = ["aeon", "neurokit2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}; all by default")
    parser.add_argument("--weights", default="open")
    parser.add_argument("--folder", type=Path, default=Path("suite_results"))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    kept = (given.folder / "features").is_dir()
    started = time.perf_counter()
    benchmark = run_benchmark(
        given.sets or None,
        make_methods(given.weights),
        folder=given.folder,
        n_jobs=given.jobs,
        on_error="skip",
        progress=True,
    )
    minutes = (time.perf_counter() - started) / 60
    benchmark.scores.round(6).to_csv(given.output / "suite.csv", index=False)
    benchmark.transfer.round(6).to_csv(given.output / "suite_transfer.csv", index=False)
    benchmark.ranks().to_csv(given.output / "suite_ranks.csv")
    environment.write(
        given.output / "suite.json",
        **{name: importlib.metadata.version(name) for name in PEERS},
        weights=given.weights,
        weights_sha256=weights_sha256(given.weights),
        sets=list(benchmark.studies),
        left_out=benchmark.left_out.to_dict("records"),
        minutes=_keep_minutes(given.folder / "minutes.json", minutes, kept=kept),
        seconds_of_features=round(float(_all_signals(benchmark.scores)["seconds_features"].sum())),
        images_embedded=int(_all_signals(benchmark.scores)["n_embedded"].sum()),
    )
    print(benchmark.report(given.folder / "suite.html"))


def _keep_minutes(path: Path, minutes: float, *, kept: bool) -> dict[str, float]:
    """Return the minutes of the last call from an empty folder, and with kept features."""
    known = json.loads(path.read_text()) if path.is_file() else {}
    known["with kept features" if kept else "from an empty folder"] = round(minutes, 1)
    path.write_text(json.dumps(known))
    return known


def _all_signals(scores):
    return scores[scores["signals"] == "all"]


if __name__ == "__main__":
    main()
