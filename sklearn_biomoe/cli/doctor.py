"""``sklearn-biomoe doctor``."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version

import click

NEEDED = ["sklearn-biomoe", "numpy", "scipy", "pandas", "scikit-learn", "torch"]
EXTRAS = {
    "data": ["pooch"],
    "plot": ["matplotlib"],
    "eda": ["neurokit2"],
    "onnx": ["onnx", "onnxscript", "onnxruntime"],
    "recordings": ["bioread", "pyarrow", "wfdb"],
    "dask": ["distributed", "pyarrow"],
}
N_WINDOWS = 8  # of the self-test, which is to take seconds


@click.command()
def doctor() -> None:
    """Tell versions, devices, engines and caches, and embed a few windows as a test.

    Exits with 1 where the test fails.

    \b
    Example:
      sklearn-biomoe doctor
    """
    _tell_versions()
    _tell_devices()
    _tell_folders()
    click.echo(_test())


def _tell_versions() -> None:
    click.echo(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(", ".join(f"{name} {version(name)}" for name in NEEDED))
    for extra, packages in EXTRAS.items():
        click.echo(f"extra {extra}: {', '.join(map(_version, packages))}")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _tell_devices() -> None:
    import torch

    from ..inference import check_precision, resolve_device, resolve_engine

    device = resolve_device("auto")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    click.echo(f"device {device}; CUDA devices: {', '.join(names) or 'none'}")
    try:
        check_precision("bfloat16", device)
        click.echo("bfloat16: has instructions for it")
    except ValueError:
        click.echo("bfloat16: would be slower here")
    click.echo(
        f"threads {torch.get_num_threads()}; engine {resolve_engine('auto', device, 'float32')}"
    )


def _tell_folders() -> None:
    from .._files import cache_folder, is_offline

    for kind in ("weights", "onnx"):
        folder = cache_folder(kind)
        files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
        size = sum(path.stat().st_size for path in files) / 1e6
        click.echo(f"cache of {kind}: {folder}, {len(files)} files, {size:.1f} MB")
    click.echo(f"downloads: {'forbidden' if is_offline() else 'allowed'}")


def _test() -> str:
    """Embed windows twice, the second time in reverse order and other batches."""
    import numpy as np

    from .. import TinyBioMoEEmbedder, make_biosignal_embedder

    windows = np.random.default_rng(0).uniform(2, 3, size=(N_WINDOWS, 240))
    embed = make_biosignal_embedder("eda", 4, embedder=TinyBioMoEEmbedder(cache=None))
    embed.fit(windows[:1])
    started = time.perf_counter()
    embeddings = embed.transform(windows)
    seconds = time.perf_counter() - started
    reverse = embed.transform(windows[::-1][:3])
    # Of the last bits some devices make no promise.
    if not (np.isfinite(embeddings).all() and np.allclose(reverse, embeddings[:-4:-1], atol=1e-4)):
        raise ValueError("self-test: failed; embeddings depend on the batch, or are not finite.")
    return f"self-test: passed; {N_WINDOWS / seconds:.1f} windows/s"
