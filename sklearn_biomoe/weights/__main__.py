"""Weights from the command line: ``python -m sklearn_biomoe.weights list``."""

import argparse
import sys
import warnings
from pathlib import Path

from . import convert, load_backbone, weights_sha256
from .finding import NAMED, find_weights


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 1, with the reason on standard error, where it failed."""
    given = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for line in COMMANDS[given.command](given):
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


def _list(given: argparse.Namespace) -> list[str]:
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


def _pull(given: argparse.Namespace) -> list[str]:
    sha256 = weights_sha256(given.name)
    path, _ = find_weights(given.name, None)
    return [f"{path}", f"sha256 {sha256}"]


def _verify(given: argparse.Namespace) -> list[str]:
    sha256 = weights_sha256(given.weights, expected=given.sha256)
    backbone = load_backbone(given.weights, expected=sha256)
    n_parameters = sum(parameter.numel() for parameter in backbone.parameters())
    return [f"{given.weights}: {n_parameters:,} finite parameters", f"sha256 {sha256}"]


def _convert(given: argparse.Namespace) -> list[str]:
    path = convert(given.source, given.target, given.dtype)
    return [f"{path}: {path.stat().st_size:,} bytes", f"sha256 {weights_sha256(path)}"]


COMMANDS = {"list": _list, "pull": _pull, "verify": _verify, "convert": _convert}

if __name__ == "__main__":
    sys.exit(main())
