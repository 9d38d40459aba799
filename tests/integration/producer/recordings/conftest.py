"""A function that writes a file of recorded prices and reads it."""

from pathlib import Path

import pytest

from producer.recordings.options import ReadingOptions
from producer.recordings.reader import Recording
from producer.recordings.rows import InvalidRow
from tests.recordings import Read, Reading


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write these lines or bytes as a file, and read it with these options."""

    def read(*lines: str, content: bytes | None = None, name: str = "prices.csv", **options: object) -> Reading:
        path = tmp_path / name
        path.write_bytes("".join(f"{line}\n" for line in lines).encode() if content is None else content)
        reading = Reading()
        made = ReadingOptions(**options)  # type: ignore[arg-type]
        with Recording(path, made, reading.warnings.append) as recording:
            for row in recording.rows():
                if isinstance(row, InvalidRow):
                    reading.refused[row.line] = row.reason
                else:
                    reading.rows.append(row)
            # The list of a zip file's contents stands behind them.
            assert recording.position == recording.size or path.read_bytes().startswith(b"PK")
        return reading

    return read
