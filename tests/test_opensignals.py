"""Text files of OpenSignals: the header gives names and rate, a counter shows lost samples."""

import json
from datetime import datetime

import numpy as np
import pytest

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

DEVICE = {
    "sensor": ["ECG"],
    "column": ["nSeq", "I1", "A2"],
    "label": ["A2"],
    "sampling rate": 1000,
    "date": "2016-6-11",
    "time": "7:3:47.29",
}


def write(folder, rows, device=DEVICE, end="# EndOfHeader"):
    devices = device if isinstance(device, list) else [device]
    header = json.dumps({f"20:16:0{i}": each for i, each in enumerate(devices)})
    lines = ["# OpenSignals Text File Format", f"# {header}", end]
    lines += ["\t".join(map(str, row)) + "\t" for row in rows]
    (folder / "S1.txt").write_text("\n".join(lines) + "\n")
    return folder / "S1.txt"


def rows(counter):
    return [(at, 1, 496 + i) for i, at in enumerate(counter)]


def test_a_file(tmp_path):
    path = write(tmp_path, rows([*range(1, 16), *range(16), 0, 1]))
    recording = read_recording(path)
    assert recording["A2"].samples.tolist() == list(range(496, 496 + 33))
    assert recording["I1"].sampling_rate == 1000
    assert recording.start_time == datetime(2016, 6, 11, 7, 3, 47, 290000)
    assert recording.notes == (
        "Samples are digital values, not in physical units. Sensors: A2 ECG.",
    )
    assert list_channels(path)["name"].tolist() == ["I1", "A2"]
    assert list(read_recording(path, "A2", sampling_rate=1000).channels) == ["A2"]


def test_lost_samples(tmp_path):
    path = write(tmp_path, rows([13, 14, 15, 0, 1, 4, 5]))
    message = r"S1\.txt: Line 9 has the sequence number 4 after 1: samples were lost, 2 or more"
    with pytest.raises(RecordingError, match=f"{message}.* Pass incomplete='keep'"):
        read_recording(path)
    recording = read_recording(path, "A2", incomplete="keep")
    expected = [496, 497, 498, 499, 500, np.nan, np.nan, 501, 502]
    np.testing.assert_array_equal(recording["A2"].samples, expected)
    assert "2 or more" in recording.notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"end": ""}, "The header does not end with '# EndOfHeader'"),
        ({"device": [DEVICE, DEVICE]}, "The file has 2 devices, 20:16:00, 20:16:01; export one"),
        (
            {"device": DEVICE | {"sampling rate": 0}},
            r"The header has sampling rate 0 and col",
        ),
        (
            {"device": DEVICE | {"column": ["A2"]}},
            "Line 4 has 4 cells, but there is 1 column",
        ),
        ({"rows": []}, "The file has no samples"),
        ({"rows": [(0, 1, 2), ("", 1, 2)]}, "Line 5 has no sequence number"),
        ({"rows": [(0, 1, "x")]}, "Line 4, column 'A2': 'x' is not a number"),
        ({"rows": [(0, 1, 2), (1, 2)]}, "Line 5 has fewer separators than other rows"),
    ],
)
def test_files_that_are_refused(arguments, message, tmp_path):
    with pytest.raises(RecordingError, match=rf"S1\.txt: ({message})"):
        read_recording(write(tmp_path, **({"rows": rows(range(4))} | arguments)))


def test_a_header_that_is_not_json(tmp_path):
    path = write(tmp_path, rows(range(4)))
    path.write_text(path.read_text().replace("}}", "}"))
    with pytest.raises(
        RecordingError, match=r"S1\.txt: The header in line 2 is not JSON: Expecting"
    ):
        read_recording(path)
