"""``sklearn-biomoe weights``."""

from pathlib import Path

import click


@click.group()
def weights() -> None:
    """Weights of the backbone: what has a name, and what files hold.

    \b
    Examples:
      sklearn-biomoe weights list
      sklearn-biomoe weights pull paper
      sklearn-biomoe weights convert paper tiny.safetensors --dtype float16
    """


def _tell(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


@weights.command("list")
def list_() -> None:
    """Tell what has a name, and where it comes from."""
    from ..weights.__main__ import list_names

    _tell(list_names())


@weights.command()
@click.argument("name")
def pull(name: str) -> None:
    """Download named weights, if they are not here yet."""
    from ..weights.__main__ import pull as pull_weights
    from ..weights.named_weights import NAMED

    names = [known for known, entry in NAMED.items() if entry.url]
    if name not in names:
        raise click.UsageError(f"{name!r} has no file to download; there are {', '.join(names)}.")
    _tell(pull_weights(name))


@weights.command()
@click.argument("source")
@click.option("--sha256", help="The only hash that is accepted.")
def verify(source: str, sha256: str | None) -> None:
    """Read weights whole, a name's or a file's, and tell their hash."""
    from ..weights.__main__ import verify as verify_weights

    _tell(verify_weights(source, sha256))


@weights.command()
@click.argument("source")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dtype", type=click.Choice(["float32", "float16"]), default="float32")
def convert(source: str, target: Path, dtype: str) -> None:
    """Write verified weights as a .safetensors file."""
    from ..weights.__main__ import convert_file

    _tell(convert_file(source, target, dtype))
