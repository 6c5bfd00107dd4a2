"""EDF and BDF files, with the extensions EDF+ and BDF+.

Read without a library: edfio, pyedflib and MNE close the gaps of discontinuous files or refuse
them, and return digital counts or guess where the calibration is not readable.

References: Kemp et al. 1992, https://www.edfplus.info/specs/edf.html; Kemp and Olivan 2003,
https://www.edfplus.info/specs/edfplus.html; https://www.biosemi.com/faq/file_format.htm.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation.parameters import check_option
from .formats import (
    LARGEST_GAP,
    ChannelHeader,
    Format,
    RecordingError,
    SamplingRate,
    decode,
    join_segments,
    name_channels,
    place_segments,
    rate_of,
    select_channels,
)
from .recording import Channel, Recording, make_annotations

FILE_FIELDS = {
    "version": 8,
    "patient": 80,
    "recording": 80,
    "start date": 8,
    "start time": 8,
    "header size": 8,
    "reserved": 44,
    "number of records": 8,
    "record duration": 8,
    "number of signals": 4,
}
SIGNAL_FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical minimum": 8,
    "physical maximum": 8,
    "digital minimum": 8,
    "digital maximum": 8,
    "prefiltering": 80,
    "samples per record": 8,
    "reserved": 32,
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ANNOTATION = re.compile(  # onset, duration and texts of a time-stamped annotations list
    rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14(.*)\x14", re.DOTALL
)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
Fields = dict[str, bytes]


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    decimal: str = ".",
    annotations: bool = True,
    incomplete: str = "error",
) -> Recording:
    """Read an EDF or BDF file.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called. The rate is used if the records have a duration of 0.
    decimal : str, default="."
        Decimal mark of the numbers in the header; "," for files of programs that ignore the format.
    annotations : bool, default=True
        False leaves the annotations out, for files in which they are damaged.
    incomplete : {"error", "keep"}, default="error"
        "keep" reads the complete records of a truncated file; what is missing is NaN.
    """
    check_option("incomplete", incomplete, ["error", "keep"])
    file = EDFFile(path, decimal, incomplete == "keep")
    selected = select_channels(channels, file.names)
    read_channels = {file.names[i]: file.read_channel(i, sampling_rate) for i in selected}
    return Recording(
        read_channels,
        start_time=file.start_time,
        annotations=make_annotations(file.annotations if annotations else ()),
        subject=file.subject,
        notes=tuple(file.notes),
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals from the header; files with gaps need the times of their records too."""
    file = EDFFile(path, ".", keep_incomplete=True)
    headers = []
    for number, signal in enumerate(file.signals):
        n_per_record = file.n_per_record(number)
        rate, n_samples = np.nan, n_per_record * file.n_records
        if file.record_duration and n_per_record:
            rate = file.rate(number, None)
            onsets = [onset for onset, _, _ in file.stretches]
            lengths = [(end - first) * n_per_record for _, first, end in file.stretches]
            _, n_samples = place_segments(onsets, lengths, rate)
        n_samples += file.n_lost(number)
        headers.append(ChannelHeader(file.names[number], rate, decode(signal["unit"]), n_samples))
    return headers


class EDFFile:
    """The header of a file, and access to its records.

    Parameters
    ----------
    path : Path
    decimal : str
        Decimal mark of numbers in the header.
    keep_incomplete : bool
        Whether a file may have fewer records than its header states.
    """

    def __init__(self, path: Path, decimal: str, keep_incomplete: bool) -> None:
        self.path = path
        self.decimal = decimal
        self.keep_incomplete = keep_incomplete
        self.notes: list[str] = []
        with self.path.open("rb") as file:
            self.fields = _split(file.read(256), FILE_FIELDS, 1)[0]
            version = self.fields["version"]
            if version.strip(b" \0") != b"0" and version != b"\xffBIOSEMI":
                raise RecordingError(
                    f"The file begins with {version!r}; expected '0' for EDF or '\\xffBIOSEMI' for "
                    "BDF."
                )
            n_signals = self._count("number of signals")
            signal_header = file.read(256 * n_signals)
        if len(signal_header) < 256 * n_signals:
            raise RecordingError("The file ends within its header.")
        self.sample_size = 3 if version == b"\xffBIOSEMI" else 2
        everything = _split(signal_header, SIGNAL_FIELDS, n_signals)
        self.sizes = [self.sample_size * self._samples_per_record(each) for each in everything]
        self.ends = np.cumsum(self.sizes, dtype=np.int64)
        if (header_size := self._count("header size")) != 256 * (n_signals + 1):
            raise RecordingError(
                f"The header states its size as {header_size} bytes, but {n_signals} signals need "
                f"{256 * (n_signals + 1)}."
            )
        is_annotation = [
            decode(each["label"]) in ("EDF Annotations", "BDF Annotations") for each in everything
        ]
        self.positions = [i for i, found in enumerate(is_annotation) if not found]
        self.annotation_positions = [i for i, found in enumerate(is_annotation) if found]
        self.signals = [everything[i] for i in self.positions]
        self.names = name_channels([decode(signal["label"]) for signal in self.signals])
        self.record_duration = self._number(
            self.fields["record duration"], "the duration of a record"
        )
        if self.record_duration < 0:
            raise RecordingError(
                f"The header states a record duration of {self.record_duration:g} s."
            )
        self.n_stated, self.n_records = self._count_records()

    def _count(self, field: str) -> int:
        """Return an integer of the file's header."""
        text = decode(self.fields[field])
        if not re.fullmatch(r"\d+", text):
            raise RecordingError(
                f"The header states the {field} as {text!r}; expected a whole number."
            )
        return int(text)

    def _number(self, field: bytes, name: str) -> float:
        text = decode(field)
        number = text.replace(self.decimal, ".") if self.decimal != "." else text
        if not NUMBER.fullmatch(number) or not np.isfinite(float(number)):
            hint = "; if that is a decimal comma, pass decimal=','" if "," in text else ""
            raise RecordingError(
                f"The header states {name} as {text!r}, which is not a number{hint}."
            )
        return float(number)

    def _samples_per_record(self, signal: Fields) -> int:
        text = decode(signal["samples per record"])
        if not re.fullmatch(r"\d+", text):
            raise RecordingError(
                f"The header states the samples per record of channel {decode(signal['label'])!r} "
                f"as {text!r}; expected a whole number."
            )
        return int(text)

    def _count_records(self) -> tuple[int, int]:
        """Return the number of records that the header states, and that are in the file."""
        record_size = int(self.ends[-1]) if self.sizes else 0
        n_bytes = self.path.stat().st_size - 256 * (len(self.sizes) + 1)
        n_found, rest = divmod(n_bytes, record_size) if record_size else (0, 0)
        text = decode(self.fields["number of records"])
        if text == "-1":
            self.notes.append(
                f"The header does not state the number of records; the file has {n_found}."
            )
            n_stated = n_found
        else:
            n_stated = self._count("number of records")
        if record_size and (n_stated != n_found or rest):
            found = f"{n_found} records" + (f" and {rest} bytes" if rest else "")
            message = (
                f"The header states {text} records of {record_size} bytes; the file has {found}"
            )
            if not self.keep_incomplete:
                raise RecordingError(
                    f"{message}. Pass incomplete='keep' to read the complete records."
                )
            self.notes.append(f"{message}.")
        return max(n_stated, n_found), n_found

    @cached_property
    def records(self) -> NDArray[np.uint8]:
        """All records as bytes, of shape (n_records, record size), read on access."""
        if not self.n_records:
            return np.empty((0, int(self.ends[-1]) if self.sizes else 0), dtype=np.uint8)
        offset = 256 * (len(self.sizes) + 1)
        shape = (self.n_records, int(self.ends[-1]))
        return np.memmap(self.path, dtype=np.uint8, mode="r", offset=offset, shape=shape)

    def _bytes_of(self, position: int) -> NDArray[np.uint8]:
        end = self.ends[position]
        return np.ascontiguousarray(self.records[:, end - self.sizes[position] : end])

    def n_per_record(self, number: int) -> int:
        """Return the samples of a signal in each record."""
        return self.sizes[self.positions[number]] // self.sample_size

    def n_lost(self, number: int) -> int:
        """Return the samples of a signal that an incomplete file lacks."""
        return (self.n_stated - self.n_records) * self.n_per_record(number)

    def rate(self, number: int, sampling_rate: SamplingRate) -> float:
        """Return the sampling rate of a signal."""
        name = self.names[number]
        if not self.n_per_record(number):
            raise RecordingError(f"Channel {name!r} has no samples; pass channels without it.")
        if self.record_duration:
            return self.n_per_record(number) / self.record_duration
        if (given := rate_of(sampling_rate, name)) is None:
            raise RecordingError(
                f"The header states a record duration of 0 s, so channel {name!r} has no sampling "
                "rate; pass sampling_rate in Hz."
            )
        return given

    def read_channel(self, number: int, sampling_rate: SamplingRate) -> Channel:
        """Read the physical samples of a signal, with NaN in gaps."""
        rate, signal = self.rate(number, sampling_rate), self.signals[number]
        gain, offset = self._calibration(number)
        digital = _decode_integers(self._bytes_of(self.positions[number]), self.sample_size)
        physical = digital.astype(np.float64) * gain + offset
        rows = physical.reshape(self.n_records, self.n_per_record(number))
        samples = physical
        if self.record_duration:
            segments = [(onset, rows[i:end].ravel()) for onset, i, end in self.stretches]
            samples = join_segments(segments, rate)
        if (n_lost := self.n_lost(number)) > LARGEST_GAP:
            raise RecordingError(
                f"The header states {self.n_stated} records, but the file has {self.n_records}; "
                "the number in the header is damaged."
            )
        samples = np.append(samples, np.full(n_lost, np.nan))
        return Channel(samples, rate, decode(signal["unit"]))

    def _calibration(self, number: int) -> tuple[float, float]:
        """Return gain and offset from digital to physical values."""
        signal, name = self.signals[number], self.names[number]
        low, high, digital_low, digital_high = (
            self._number(signal[field], f"the {field} of channel {name!r}")
            for field in (
                "physical minimum",
                "physical maximum",
                "digital minimum",
                "digital maximum",
            )
        )
        if low == high or digital_low == digital_high:
            raise RecordingError(
                f"The header calibrates channel {name!r} from {digital_low:g} ... {digital_high:g} "
                f"to {low:g} ... {high:g}, which is not a range; pass channels without it."
            )
        gain = (high - low) / (digital_high - digital_low)
        return gain, low - gain * digital_low

    @cached_property
    def _lists(self) -> list[list[tuple[float, float | None, list[str]]]]:
        """Onset, duration and texts of each record's annotations; the first has its time."""
        lists: list[list[Any]] = [[] for _ in range(self.n_records)]
        for position in self.annotation_positions:
            for number, row in enumerate(self._bytes_of(position)):
                for entry in row.tobytes().split(b"\0"):
                    if not entry.strip():
                        continue
                    if not (match := ANNOTATION.fullmatch(entry)):
                        raise RecordingError(
                            f"An annotation in record {number} is not readable: {entry[:60]!r}; "
                            "pass annotations=False to read the signals of a continuous file."
                        )
                    onset, duration, texts = match.groups()
                    decoded = [decode(text) for text in texts.split(b"\x14")]
                    lists[number].append(
                        (float(onset), None if duration is None else float(duration), decoded)
                    )
        return lists

    @cached_property
    def _record_times(self) -> list[float]:
        """Seconds from the start in the header to each record."""
        regular = [i * self.record_duration for i in range(self.n_records)]
        reserved = decode(self.fields["reserved"])
        is_plus = reserved.startswith(("EDF+", "BDF+")) and self.annotation_positions
        if not is_plus or not regular:
            return regular
        is_continuous = not reserved.startswith(("EDF+D", "BDF+D"))
        try:
            lists = self._lists
        except RecordingError:
            if is_continuous:
                return regular
            raise
        # The first annotation of each record has no text, and the record's time.
        has_time = [bool(entries) and not entries[0][2][0] for entries in lists]
        if not all(has_time):
            if is_continuous:
                return regular
            raise RecordingError(
                f"The file is discontinuous, but record {has_time.index(False)} has no time."
            )
        times = [entries[0][0] for entries in lists]
        offsets = np.subtract(times, regular)
        if is_continuous and np.ptp(offsets) <= self.record_duration / 2:
            return [times[0] + time for time in regular]
        if is_continuous:
            self.notes.append("The header calls the file continuous, but its records have gaps.")
        return times

    @property
    def _start_offset(self) -> float:
        """Seconds from the header's start, which is in whole seconds, to the recording's."""
        first = self._record_times[0] if self._record_times else 0.0
        return first if 0 <= first < 1 else 0.0

    @cached_property
    def stretches(self) -> list[tuple[float, int, int]]:
        """Onset, first and last record (exclusive) of each stretch without a gap."""
        times = np.array(self._record_times) - self._start_offset
        is_gap = np.abs(np.diff(times) - self.record_duration) > 1e-9
        firsts = [0, *(np.flatnonzero(is_gap) + 1).tolist()] if len(times) else []
        ends = [*firsts[1:], len(times)]
        return [(times[i], i, end) for i, end in zip(firsts, ends, strict=False)]

    @property
    def annotations(self) -> list[tuple[float, float | None, str]]:
        """Onset, duration and label; without the times of records, which have no text."""
        return [
            (round(onset - self._start_offset, 9), duration, text)
            for entries in self._lists
            for onset, duration, texts in entries
            for text in texts
            if text
        ]

    @property
    def start_time(self) -> datetime | None:
        """Start from the header; None if it is anonymous or not a date."""
        full_date = decode(self.fields["recording"]).split()[:2]
        try:
            day, month, year = map(int, re.split("[.:/-]", decode(self.fields["start date"])))
            hour, minute, second = map(int, re.split("[.:/-]", decode(self.fields["start time"])))
            year += 1900 if year >= 85 else 2000
            if full_date[:1] == ["Startdate"]:  # of EDF+: "Startdate 02-MAR-2051" or "Startdate X"
                day_text, month_name, year_text = full_date[1].split("-")
                day, year = int(day_text), int(year_text)
                month = MONTHS.index(month_name.upper()) + 1
            start = datetime(year, month, day, hour, minute, second)
        except (ValueError, IndexError):
            return None
        return start + timedelta(seconds=self._start_offset)

    @property
    def subject(self) -> str | None:
        """The patient's code of EDF+ and BDF+; None if it is anonymous."""
        parts = decode(self.fields["patient"]).split()
        is_plus = decode(self.fields["reserved"]).startswith(("EDF+", "BDF+"))
        return parts[0] if is_plus and parts and parts[0] != "X" else None


def _split(header: bytes, sizes: dict[str, int], n_signals: int) -> list[Fields]:
    """Split a header in which each field is repeated for all signals."""
    if len(header) < n_signals * sum(sizes.values()):
        raise RecordingError("The file ends within its header.")
    signals: list[Fields] = [{} for _ in range(n_signals)]
    position = 0
    for name, size in sizes.items():
        for signal in signals:
            signal[name] = header[position : position + size]
            position += size
    return signals


def _decode_integers(content: NDArray[np.uint8], sample_size: int) -> NDArray[Any]:
    """Decode little-endian integers of 2 or 3 bytes."""
    if sample_size == 2:
        return content.reshape(-1).view("<i2")
    padded = np.zeros((content.size // 3, 4), dtype=np.uint8)
    padded[:, 1:] = content.reshape(-1, 3)
    return padded.view("<i4")[:, 0] >> 8  # an arithmetic shift, which keeps the sign


FORMAT = Format("EDF or BDF", (".edf", ".bdf"), read, list_channels)
