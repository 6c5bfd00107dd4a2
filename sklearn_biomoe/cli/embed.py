"""``sklearn-biomoe embed``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..distributed.scheduler import embed_parts
from ..pipelines import make_biosignal_embedder, make_multimodal_embedder
from ..transformers import TinyBioMoEEmbedder
from .channel_windows import Plan, first_windows, plan_windows, window_options
from .options import WEIGHTS_HELP, SignalCommand

BATCH_ROWS = 1024
# The cluster must not give up a worker that dies several times in a row, and tasks must not wait
# forever if no worker is left.
PATIENCE = {
    "distributed.deploy.lost-worker-timeout": "10 minutes",
    "distributed.scheduler.no-workers-timeout": "5 minutes",
}


@click.command(cls=SignalCommand)
@click.argument("sources", nargs=-1, required=True)
@window_options
@click.option("--id", "ids", multiple=True,
              help="Column of Parquet files of windows to keep with embeddings.")  # fmt: skip
@click.option("--weights", default="open", show_default=True, help=WEIGHTS_HELP)
@click.option("--output", "-o", required=True, help="Folder: new, empty, or of an earlier call.")
@click.option("--quarantine", is_flag=True,
              help="Continue after files that cannot be embedded, and list them.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Remove the embeddings in the folder first.")
@click.option("--workers", type=click.IntRange(min=1),
              help="Number of processes on this machine. [default: this process]")  # fmt: skip
@click.option("--scheduler", help="Address of a Dask cluster, such as tcp://10.0.0.1:8786.")
def embed(
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    weights: str,
    output: str,
    quarantine: bool,
    overwrite: bool,
    workers: int | None,
    scheduler: str | None,
    **options: Any,
) -> None:
    """Embed windows of SOURCES into Parquet files; a second call continues an interrupted one.

    SOURCES are what `sklearn-biomoe windows` takes, or the files that it writes, whose subjects,
    events, start times and labels are kept with the embeddings, and whose signals are embedded
    together. Or, for one signal with --channel: recordings (.csv, .parquet, .edf, or the .hea files
    of WFDB records), which are cut into windows of --duration; Parquet files with a column whose
    cells are windows; or folders of either. A window in which samples are missing becomes NaN.

    \b
    Examples:
      sklearn-biomoe embed windows.parquet --weights paper -o embeddings
      sklearn-biomoe embed pain_study --pattern '{subject}_{signal}.csv' --signal eda EDA 4 \\
          --signal bvp BVP 64 --events pain_study/events.csv --around -2 18 -o embeddings
      sklearn-biomoe embed night/*.edf --channel "EEG O1" --channel "EEG O2" --modality eeg \\
          --resample-to 100 --duration 30 -o embeddings --workers 4
      sklearn-biomoe embed windows --channel bvp --modality bvp --sampling-rate 64 --id subject \\
          -o embeddings
    """
    if workers and scheduler:
        raise click.UsageError("Pass --workers or --scheduler, not both.")
    plan = plan_windows(sources, options, ids)
    transformer = _fit(plan, weights)
    with _cluster(workers, scheduler) as client:
        run = embed_parts(
            plan.parts,
            output,
            transformer,
            batch_rows=BATCH_ROWS,
            client=client,
            on_error="quarantine" if quarantine else "raise",
            overwrite=overwrite,
            progress="auto",
        )
    click.echo(
        f"{output}: embedded {run.n_rows} rows of {run.n_parts} parts; skipped {run.n_skipped} "
        f"complete parts; {len(run.quarantined)} in quarantine"
    )
    if run.quarantined:
        raise click.exceptions.Exit(1)


def _fit(plan: Plan, weights: str) -> Any:
    """Return a transformer of one signal, or of several together."""
    if Path(weights).is_file():
        weights = str(Path(weights).absolute())  # workers may run in another folder
    embedder = TinyBioMoEEmbedder(weights, cache=None)  # each row is embedded only once
    transformer: Any
    if len(plan.signals) == 1:
        (signal,) = plan.signals
        transformer = make_biosignal_embedder(signal.modality, signal.rate, embedder=embedder)
        images = {f"image__{key}": value for key, value in plan.images[signal.name].items()}
    else:
        rates = {signal.name: (signal.modality, signal.rate) for signal in plan.signals}
        transformer = make_multimodal_embedder(rates, embedder=embedder)
        images = {
            f"{name}__image__{key}": value
            for name, parameters in plan.images.items()
            for key, value in parameters.items()
        }
    return transformer.set_params(**images).fit(first_windows(plan.parts, BATCH_ROWS)[1])


@contextmanager
def _cluster(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """Yield the client of a cluster, or None."""
    if workers is None and scheduler is None:
        yield None
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            "--workers and --scheduler need Dask: pip install 'sklearn-biomoe[dask]'."
        ) from error
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with (
        dask.config.set(PATIENCE),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
