"""The program with all commands, its exit codes and its error messages."""

import re
import signal
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

import click

from .._version import __version__

COMMANDS = {
    "inspect": "List channels, rates, gaps and annotations of recordings.",
    "windows": "Cut recordings into windows, at events or at regular times.",
    "draw": "Draw windows on a sheet.",
    "embed": "Embed windows into Parquet files.",
    "check": "Check units, rates, sensors and design of windows.",
    "study": "Evaluate embeddings on held-out subjects.",
    "benchmark": "Compare embeddings with other methods on public data sets.",
    "weights": "List, download, verify, convert and export weights.",
    "doctor": "Report versions, devices and caches, and run a self-test.",
}
# If the name of the module differs from that of the command.
MODULES = {"inspect": "inspection", "windows": "cut"}
FAILED, INTERRUPTED = 1, 130  # beside 2, click's code for wrong usage
# Parameters of the library whose option has another name.
RENAMED = {
    "representations": "representation",
    "signal_columns": "channel",
    "channels": "channel",
    "id_columns": "ids",
}
# Phrases that name a parameter in another way, the option that they need (if any), and its words.
PHRASES = [
    (r"\bsignals=\{'([^']*)': channel\}", "signals", r"--signal \1=CHANNEL"),
    (r"\bsampling_rates\['([^']*)'\]=?", "signals", r"the rate of --signal \1 "),
    (r"\bPass a pattern\b", "pattern", "Pass --pattern"),
    (r"\bcheck_windows shows\b", None, "`sklearn-biomoe check` shows"),
    (
        r"Cannot have number of splits n_splits=(\d+) greater than the number of groups: (\d+)\.",
        "folds",
        r"--folds \1 is more than the number of subjects, \2.",
    ),
    (r"Calibration\(n_windows=(\d+), [^)]*\)", "calibration_windows", r"--calibration-windows \1"),
    (
        r"Calibration\([^)]*minutes=([\d.]+), [^)]*\)",
        "calibration_minutes",
        r"--calibration-minutes \1",
    ),
    (r"pass separator=, such as '/'", "events", "separate columns by commas"),
    (r"\b([Pp])ass a table of events\b", "events", r"\1ass --events FILE"),
    (
        r"Read it with another library, and pass mne.*\{channel: samples\}\.",
        None,
        "Convert it to one of these.",
    ),
]


class LazyGroup(click.Group):
    """Imports the module of a command, and with it torch, only to run that command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f".{MODULES.get(cmd_name, cmd_name)}", __package__), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="sklearn-biomoe")
@click.option("--debug", is_flag=True, help="Show the traceback of an error; before the command.")
def program(debug: bool) -> None:
    """Convert biosignals to images, and images to Tiny-BioMoE embeddings.

    Exit codes: 0 for success, 1 for failure, 2 for wrong usage, 130 if interrupted. Errors and
    notes are written to standard error. `sklearn-biomoe COMMAND --help` shows examples.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code.

    Examples
    --------
    >>> run(["--version"])
    sklearn-biomoe, version ...
    0
    """
    with _recorded_interrupts() as interrupts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("once", UserWarning)
                warnings.showwarning = partial(_show_note, arguments, set())
                # Commands return None, or end with click's Exit, whose code is returned here.
                code = program(list(arguments), prog_name="sklearn-biomoe", standalone_mode=False)
                return code or 0
        except click.ClickException as error:
            click.echo(f"error: {_in_one_line(error.format_message())}", err=True)
            return error.exit_code
        except Exception as error:
            # While pandas reads a CSV file, it may turn an interrupt into a ParserError.
            if isinstance(error, click.Abort) or interrupts:
                click.echo("interrupted", err=True)
                return INTERRUPTED
            if "--debug" in arguments:
                traceback.print_exc()
            click.echo(f"error: {name_options(_describe(error), arguments)}", err=True)
            return FAILED


def name_options(message: str, arguments: Sequence[str]) -> str:
    """Replace parameters of the library in a message by options of the command.

    Examples
    --------
    >>> name_options("pass overwrite=True, or another sampling_rate", ["embed"])
    'pass --overwrite, or another --sampling-rate'
    """
    options = _options_of(arguments)
    for pattern, needed, words in PHRASES:
        if needed is None or needed in options:
            message = re.sub(pattern, words, message)
    if not options:
        return message

    def replace(match: re.Match[str]) -> str:
        name, equals, value = match.groups()
        option = options[name]
        is_advised = match.string[: match.start()].lower().endswith("pass ")
        # A plain word, such as "duration", is not a parameter.
        if not equals and "_" not in name and not (is_advised and " " in option):
            return match[0]
        if option.endswith("="):
            return f"{option}{value or '...'}"
        return option if value in (None, "True") else f"{option} {value}"

    names = "|".join(map(str, options))
    # Not in quotes, in paths, in names with dots, or as an argument of a call.
    before = r"(?<![\w./'\"-])(?<!\w\()(?<!, )"
    return re.sub(rf"{before}({names})\b(?:(=)('[^']*'|[^\s,;)]*[^\s,;).])?)?", replace, message)


def _options_of(arguments: Sequence[str]) -> dict[str, str]:
    """Return the words that name an option of the command, by parameters of the library."""
    command = next((name for name in arguments if name in COMMANDS), None)
    found = program.get_command(click.Context(program), command) if command else None
    options: dict[str, str] = {
        str(option.name): option.opts[0]
        for option in (found.params if found else [])
        if isinstance(option, click.Option)
    }
    options |= {name: options[other] for name, other in RENAMED.items() if other in options}
    if "reading" in options:
        names = import_module(".options", __package__).READING_OPTIONS
        options = {name: f"--reading {name}=" for name in names} | options
    if "signals" in options and ("--signal" in arguments or "channel" not in options):
        options |= dict.fromkeys(("sampling_rate", "sampling_rates"), "the rate of --signal")
    return options


@contextmanager
def _recorded_interrupts() -> Iterator[list[int]]:
    """Record each interrupt before Python raises KeyboardInterrupt."""
    interrupts: list[int] = []

    def record(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts  # a shell ignores interrupts in the background
        return
    signal.signal(signal.SIGINT, record)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _describe(error: Exception) -> str:
    """Return the message and notes of an error, with its type if they are not meant for users."""
    message = _in_one_line(" ".join([str(error), *getattr(error, "__notes__", [])]))
    if message and isinstance(error, ValueError | OSError | ImportError):
        return message
    return f"{type(error).__name__}: {message} (sklearn-biomoe --debug ... shows the traceback)"


def _in_one_line(message: str) -> str:
    return " ".join(message.split())


def _show_note(
    arguments: Sequence[str],
    shown: set[str],
    message: Warning | str,
    category: type[Warning],
    *_: Any,
    **__: Any,
) -> None:
    """Write a warning once, even if parts of the library reset Python's list of those shown."""
    if issubclass(category, UserWarning) and str(message) not in shown:
        shown.add(str(message))
        click.echo(f"note: {name_options(str(message), arguments)}", err=True)
