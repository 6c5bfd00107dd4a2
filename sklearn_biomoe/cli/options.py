"""Options of several commands: sources of windows, signals, events and images."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from ..recordings.reading import FORMATS, options_of
from ..signals.modalities import MODALITIES, find_modality

ImageParameters = dict[str, dict[str, Any]]  # of BiosignalImageTransformer, by signal
Options = TypeVar("Options")
POSITIVE = click.FloatRange(min=0, min_open=True)
STEP_HELP = "Seconds from the start of a window to the next. [default: the duration]"
WEIGHTS_HELP = "open, paper, random, or a .safetensors or .pth file."
# Names of the options of all formats.
READING_OPTIONS = sorted({name for each in FORMATS for name in options_of(each)})
VALUE_RANGES = "preset, window, training, or LOW,HIGH or LOW,HIGH,log in the signal's unit"


class Signal(NamedTuple):
    """A value of --signal."""

    name: str  # of the column of windows
    modality: str
    sampling_rate: float | None  # in Hz; None if the files give it
    channel: str | None = None  # in the files, if it has another name

    @property
    def rate(self) -> float:
        """The sampling rate of a signal whose files have been read."""
        assert self.sampling_rate is not None
        return self.sampling_rate


class SignalCommand(click.Command):
    """A command whose option --signal takes two or three values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert an empty sampling rate after a --signal without one."""
        for at in reversed(range(len(args))):
            if args[at] == "--signal" and not re.match(r"[-+.]*\d", "".join(args[at + 3 : at + 4])):
                args = [*args[: at + 3], "", *args[at + 3 :]]
        return super().parse_args(ctx, args)


class ModalityType(click.ParamType):
    """A name in `MODALITIES`, in any case, or a usual other name."""

    name = "modality"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the name in `MODALITIES`."""
        try:
            return find_modality(value)
        except ValueError:
            self.fail(f"{value!r} is not one of {', '.join(sorted(MODALITIES))}.", param, ctx)


class RateType(click.ParamType):
    """A sampling rate in Hz, or "" for none."""

    name = "Hz"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | None:
        """Return a number, or None."""
        if value == "":
            return None
        try:
            return POSITIVE.convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a sampling rate in Hz, such as 4.", param, ctx)


def make_reading(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """Convert the values of --reading to arguments of `read_recording`, as click calls it."""
    reading: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if name not in READING_OPTIONS or not equals:
            raise click.BadParameter(
                f"{text!r}; expected NAME=VALUE with one of {', '.join(READING_OPTIONS)}.",
                ctx,
                param,
            )
        value = value.strip("'\"")
        constants: dict[str, Any] = {"True": True, "False": False, "None": None}
        other = value.split(",") if name == "names" else int(value) if value.isdecimal() else value
        reading[name] = constants.get(value, other)
    return reading


def make_signals(
    ctx: click.Context, param: click.Parameter, values: tuple[tuple[str, str, float | None], ...]
) -> tuple[Signal, ...]:
    """Convert the values of --signal, as click calls it."""
    signals = []
    for text, modality, rate in values:
        name, _, channel = text.partition("=")
        signals.append(Signal(name, modality, rate, channel or None))
    names = [signal.name for signal in signals]
    if twice := [name for name in names if names.count(name) > 1]:
        raise click.BadParameter(
            f"{twice[0]!r} is given twice; pass NAME=CHANNEL to name signals.", ctx, param
        )
    return tuple(signals)


# fmt: off
SIGNAL = click.option(
    "--signal", "signals", type=(str, ModalityType(), RateType()), multiple=True,
    callback=make_signals, metavar="SIGNAL MODALITY [HZ]",
    help="A signal: its name in --pattern, its channel or its column; what it is, such as EDA; and "
         "its sampling rate, if the files do not give it. Repeat it for more signals. "
         "NAME=CHANNEL names a channel.")
DURATION = click.option("--duration", type=POSITIVE, help="Seconds of the windows to cut.")
STEP = click.option("--step", type=POSITIVE, help=STEP_HELP)
RESAMPLE_TO = click.option("--resample-to", type=POSITIVE, help="In Hz, for recordings.")
READING = click.option(
    "--reading", multiple=True, callback=make_reading, metavar="NAME=VALUE",
    help="Option of a file format, such as decimal=, for decimal commas. Can be repeated.")
SUBJECT = click.option("--subject", default="subject", show_default=True,
                       help="Column of subjects, in the table or in --events.")
LABEL = click.option("--label", help="Column of classes or ratings, in the table or in --events.")
START = click.option("--start", help="Column of the seconds at which windows start, in a table of "
                     "windows.")

CHANNEL_OPTIONS = [
    click.option("--channel", multiple=True,
                 help="Channel or column, instead of --signal; repeat it for the channels of one "
                      "signal."),
    click.option("--modality", default="generic", show_default=True, type=ModalityType(),
                 help=f"Kind of the --channel: {', '.join(sorted(MODALITIES))}."),
    click.option("--sampling-rate", type=POSITIVE,
                 help="Of the --channel, in Hz, if the files do not give it."),
]
IMAGE_OPTIONS = [
    click.option("--representation", multiple=True, metavar="[SIGNAL=]NAME",
                 help="Such as waveform, for all signals or one of them; can be repeated. "
                      "[default: those of the modality]"),
    click.option("--value-range", multiple=True, metavar="[SIGNAL=]RANGE",
                 help=f"Vertical axis of waveforms, for all signals or one of them: "
                      f"{VALUE_RANGES}; repeat it for each --channel. [default: preset]"),
]
EVENT_OPTIONS = [
    click.option("--pattern",
                 help="Names of files in a folder, such as '{subject}_{signal}.csv'. [default: a "
                      "file for each subject]"),
    click.option("--events", metavar="FILE",
                 help="Table with the columns subject, onset and duration in seconds, and labels; "
                      "or 'annotations', those of the recordings."),
    click.option("--onset", default="onset", show_default=True, help="Column of --events."),
    click.option("--event-duration", default="duration", show_default=True,
                 help="Column of --events."),
    click.option("--around", type=(float, float), metavar="START STOP",
                 help="A window for each event, in seconds from its onset, such as -2 18. Without "
                      "it, windows of --duration tile each event."),
    click.option("--baseline", type=(float, float), metavar="START STOP",
                 help="Subtract the mean of these seconds from the onset, such as -2 0."),
    click.option("--unusable", type=click.Choice(["drop", "missing", "raise"]), default="drop",
                 show_default=True,
                 help="Windows with gaps and, of events, those outside the recording."),
    READING,
    click.option("--on-error", type=click.Choice(["raise", "skip"]), default="raise",
                 show_default=True, help="Subjects whose files are missing or cannot be read."),
]
WINDOW_SOURCE_OPTIONS = [
    SIGNAL, *EVENT_OPTIONS, SUBJECT, LABEL, START, DURATION, STEP, RESAMPLE_TO
]
# fmt: on


def add_options(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that adds options to a command in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def pick(kind: type[Options], values: dict[str, Any]) -> Options:
    """Make a dataclass of the options that are its fields."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: values[name] for name in names if name in values})


def image_parameters(
    signals: Sequence[Signal], representations: Sequence[str], value_ranges: Sequence[str]
) -> ImageParameters:
    """Return parameters of `BiosignalImageTransformer` by signal."""
    parameters: ImageParameters = {signal.name: {} for signal in signals}
    for name, representation in _by_signal("--representation", representations, signals):
        parameters[name].setdefault("representations", []).append(representation)
    for name, text in _by_signal("--value-range", value_ranges, signals):
        parameters[name]["value_range"] = parse_value_range(text)
    return parameters


def _by_signal(
    option: str, values: Sequence[str], signals: Sequence[Signal]
) -> list[tuple[str, str]]:
    """Return pairs of signal and value, for all signals if a value does not name one."""
    pairs = []
    for each in values:
        wanted, equals, value = each.rpartition("=")
        names = [s.name for s in signals if not equals or wanted in (s.name, s.modality)]
        if not names:
            raise click.UsageError(f"{option} {each}: no signal is called {wanted!r}.")
        pairs += [(name, value) for name in names]
    return pairs


def parse_value_range(text: str) -> Any:
    """Return a name or a tuple, as `BiosignalImageTransformer` accepts them.

    Examples
    --------
    >>> parse_value_range("window"), parse_value_range("0.05,20,log")
    ('window', (0.05, 20.0, 'log'))
    """
    if text in ("preset", "window", "training"):
        return text
    low, _, rest = text.partition(",")
    high, _, scale = rest.partition(",")
    try:
        return (float(low), float(high), *([scale] if scale else []))
    except ValueError:
        raise click.UsageError(f"--value-range {text}: expected {VALUE_RANGES}.") from None


def check_output(output: Path, *suffixes: str, option: str = "--output") -> None:
    """Raise UsageError for another suffix, and if the folder does not exist."""
    if output.suffix not in suffixes:
        raise click.UsageError(
            f"{option} {output}: expected a file with the suffix {' or '.join(suffixes)}."
        )
    folder = output.absolute().parent
    if not folder.is_dir():
        raise click.UsageError(f"{option} {output}: there is no folder {folder}; create it first.")
