"""Weights from the command line: ``python -m sklearn_biomoe.weights list``."""

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from . import convert, load_backbone, weights_sha256
from .named_weights import NAMED, find_weights


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 1, with the reason on standard error, where it failed."""
    given = vars(_parser().parse_args(arguments))
    command = COMMANDS[given.pop("command")]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for line in command(**given):
                print(line)
        for warning in caught:
            print(f"note: {warning.message}", file=sys.stderr)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_biomoe.weights", description="Weights of the backbone."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what has a name, and where it comes from")
    pulled = commands.add_parser("pull", help="download named weights, if they are not here yet")
    pulled.add_argument("name", choices=[name for name, entry in NAMED.items() if entry.url])
    verified = commands.add_parser("verify", help="read weights whole, and tell their hash")
    verified.add_argument("weights", help="a name or a file")
    verified.add_argument("--sha256", help="the only hash that is accepted")
    converted = commands.add_parser("convert", help="write verified weights as safetensors")
    converted.add_argument("source", help="a name or a file")
    converted.add_argument("target", type=Path, help="a file that ends in .safetensors")
    converted.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    return parser


def list_names() -> list[str]:
    """Tell of each name what it stands for."""
    lines = []
    for name, entry in NAMED.items():
        lines.append(f"{name}: {entry.description}")
        told = {
            "licence": entry.licence,
            "cite": entry.citation,
            "file": entry.file,
            "size": entry.size,
            "sha256": entry.sha256 or (entry.file and "not published; trusted at first use"),
            "from": entry.url,
        }
        lines += [f"    {key}: {value}" for key, value in told.items() if value]
    return lines


def pull(name: str) -> list[str]:
    """Download named weights, if they are not here yet; tell where they are."""
    sha256 = weights_sha256(name)
    path, _ = find_weights(name, None)
    return [f"{path}", f"sha256 {sha256}"]


def verify(weights: str, sha256: str | None) -> list[str]:
    """Read weights whole; tell their number and hash."""
    sha256 = weights_sha256(weights, expected=sha256)
    backbone = load_backbone(weights, expected=sha256)
    n_parameters = sum(parameter.numel() for parameter in backbone.parameters())
    return [f"{weights}: {n_parameters:,} finite parameters", f"sha256 {sha256}"]


def convert_file(source: str, target: Path, dtype: str) -> list[str]:
    """Write weights as safetensors; tell size and hash of the file."""
    path = convert(source, target, dtype)
    return [f"{path}: {path.stat().st_size:,} bytes", f"sha256 {weights_sha256(path)}"]


COMMANDS: dict[str, Callable[..., list[str]]] = {
    "list": list_names,
    "pull": pull,
    "verify": verify,
    "convert": convert_file,
}

if __name__ == "__main__":
    sys.exit(main())
