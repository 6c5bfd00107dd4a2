"""``sklearn-biomoe weights``."""

from pathlib import Path

import click


@click.group()
def weights() -> None:
    """List, download, verify, convert and export weights of the backbone.

    \b
    Examples:
      sklearn-biomoe weights list
      sklearn-biomoe weights pull paper
      sklearn-biomoe weights verify Tiny-BioMoE.pth
      sklearn-biomoe weights convert paper tiny.safetensors --dtype float16
      sklearn-biomoe weights pull hf://owner/name@revision
      sklearn-biomoe weights export own.safetensors folder owner/name --licence mit
    """


@weights.command("list")
def list_names() -> None:
    """List named weights with licence, source and hash."""
    from ..weights.named_weights import NAMED

    for name, entry in NAMED.items():
        click.echo(f"{name}: {entry.description}")
        details = {
            "licence": entry.licence,
            "cite": entry.citation,
            "file": entry.file,
            "size": entry.size,
            "sha256": entry.sha256 or (entry.file and "not published; trusted at first use"),
            "from": entry.url,
        }
        for key, value in details.items():
            if value:
                click.echo(f"    {key}: {value}")


@weights.command()
@click.argument("name")
def pull(name: str) -> None:
    """Download weights by name or hf://owner/name if they are missing; print path and hash."""
    from ..weights import weights_sha256
    from ..weights.hub import PREFIX
    from ..weights.named_weights import NAMED, find_weights

    names = [known for known, entry in NAMED.items() if entry.url]
    if name not in names and not name.startswith(PREFIX):
        raise click.UsageError(
            f"{name!r} cannot be downloaded; expected {', '.join(names)} or hf://owner/name."
        )
    sha256 = weights_sha256(name)
    click.echo(f"{find_weights(name)}\nsha256 {sha256}")


@weights.command()
@click.argument("source")
@click.option("--sha256", help="The only accepted hash.")
def verify(source: str, sha256: str | None) -> None:
    """Load named weights or a file completely; print number of parameters and hash."""
    from ..weights import load_backbone, weights_sha256

    sha256 = weights_sha256(source, expected=sha256)
    parameters = load_backbone(source, expected=sha256).parameters()
    n_parameters = sum(parameter.numel() for parameter in parameters)
    click.echo(f"{source}: {n_parameters:,} finite parameters\nsha256 {sha256}")


@weights.command()
@click.argument("source")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dtype", type=click.Choice(["float32", "float16"]), default="float32")
def convert(source: str, target: Path, dtype: str) -> None:
    """Write named weights or a file as a .safetensors file; print size and hash."""
    from .. import weights as library

    path = library.convert(source, target, dtype)
    click.echo(f"{path}: {path.stat().st_size:,} bytes\nsha256 {library.weights_sha256(path)}")


@weights.command()
@click.argument("source")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--licence", help="A licence identifier of the hub, such as mit or bsd-3-clause.")
@click.option("--description", help="What the weights were trained on.")
def export(
    source: str, folder: Path, repository: str, licence: str | None, description: str | None
) -> None:
    """Write weights and a model card as a folder for the Hugging Face Hub; upload nothing.

    Licence and description of named weights are known.
    """
    from .. import weights as library

    library.export(source, folder, repository, licence=licence, description=description)
    click.echo(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    click.echo(f"To upload it: hf upload {repository} {folder}")
