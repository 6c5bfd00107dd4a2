"""``sklearn-biomoe benchmark``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .._validation.parameters import check_option
from ..benchmark import SETS, make_methods, run_benchmark
from .options import WEIGHTS_HELP, check_output

PEERS = {"catch22": "aeon", "minirocket": "aeon", "embeddings_all_catch22": "aeon"}
PEERS["neurokit"] = "neurokit2"
INSTALL = "install them by: pip install 'sklearn-biomoe[benchmark]'"


@click.command()
@click.argument("sets", nargs=-1)
@click.option(
    "--methods",
    "-m",
    multiple=True,
    metavar="NAME",
    help="A method, or MODULE:OBJECT, a scikit-learn transformer or a function that "
    "returns one; can be repeated. [default: all that are installed]",
)
@click.option("--weights", default="open", show_default=True, help=WEIGHTS_HELP)
@click.option(
    "--data-home",
    type=click.Path(path_type=Path),
    help="Folder with the data sets. [default: SKLEARN_BIOMOE_DATA, then the cache]",
)
@click.option(
    "--n-subjects",
    type=click.IntRange(min=2),
    help="Only the first subjects of each set, to try the command.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Skip sets that are not there and damaged files, and list them on the page.",
)
@click.option("--n-jobs", type=click.IntRange(min=1), help="Folds computed at the same time.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("benchmark"),
    show_default=True,
    help="Keeps features and results, so that a second call continues.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page, an .html file; the table is beside it as .csv.",
)
def benchmark(
    sets: tuple[str, ...],
    methods: tuple[str, ...],
    weights: str,
    output: Path,
    **options: Any,
) -> None:
    """Compare embeddings with other methods on public data sets; write a page and a table.

    SETS are freihaut, cogwear, fmov, eegmat, bidmc_heart_rate, bidmc_breathing_rate and
    stress_predict; all by default. All methods get the same windows, folds, classifier and metrics.
    Models of stress are also trained on one set and tested on another.

    \b
    Examples:
      sklearn-biomoe benchmark -o benchmark.html
      sklearn-biomoe benchmark freihaut cogwear -m embeddings -m catch22 -o benchmark.html
      sklearn-biomoe benchmark freihaut -m embeddings -m my_features:make_features -o mine.html
    """
    check_output(output, ".html")
    for name in sets:
        _check("SETS", name, list(SETS))
    available = make_methods(weights)
    chosen = {name: _find_method(name, available) for name in methods} or available
    absent = [name for name in PEERS if name not in available]
    if absent and not methods:
        click.echo(f"note: left out {', '.join(absent)}; {INSTALL}", err=True)
    found = run_benchmark(sets or None, chosen, **options)
    found.scores.to_csv(output.with_suffix(".csv"), index=False)
    transfer = output.with_name(f"{output.stem}_transfer.csv")
    found.transfer.to_csv(transfer, index=False)
    for row in found.scores[found.scores["signals"] == "all"].itertuples():
        click.echo(f"{row.set}, {row.method}: {row.metric} {row.mean:.3f}")
    for row in found.left_out.itertuples():
        click.echo(f"note: left out {row.set}, {row.subject}: {row.reason}", err=True)
    click.echo(f"{found.report(output)}")


def _find_method(name: str, available: dict[str, Any]) -> Any:
    """Return a method by its name, or the transformer at MODULE:OBJECT."""
    module, colon, attribute = name.partition(":")
    if not colon:
        if name in PEERS and name not in available:
            raise click.UsageError(
                f"--methods {name} needs {PEERS[name]}: pip install 'sklearn-biomoe[benchmark]'."
            )
        _check("--methods", name, [*available, "MODULE:OBJECT"])
        return available[name]
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules in the current folder
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"--methods {name} cannot be imported: {error}.") from error
    return found if hasattr(found, "transform") and not isinstance(found, type) else found()


def _check(option: str, value: str, options: list[str]) -> None:
    try:
        check_option(option, value, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
