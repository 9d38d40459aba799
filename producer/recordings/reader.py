"""A file of recorded prices, read row by row; refused rows are reported and passed over."""

import csv
import logging
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Self

from producer.recordings.layout import Layout
from producer.recordings.lines import Lines
from producer.recordings.numbers import MISSING
from producer.recordings.options import ReadingOptions
from producer.recordings.packing import unpack
from producer.recordings.rows import InvalidRow, RecordedPrice, RowReader, Warn
from producer.recordings.text import decode, describe_byte
from shared.errors import SettingsError
from shared.times import utc_now

log = logging.getLogger(__name__)

_DAMAGE = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)
_DEFAULTS = ReadingOptions()


class Recording:
    """An open file of recorded prices, to be read once and used as a context manager.

    docs/files.md describes the files that are read.
    """

    def __init__(self, path: Path, options: ReadingOptions = _DEFAULTS, warn: Warn = log.warning) -> None:
        """Open the file. Raises SettingsError if this fails, or if a column is missing."""
        self.path = path
        self.options = options
        self._warn = warn
        self._closing = ExitStack()
        self._has_warned = False
        self._lines = Lines(StringIO())
        self._csv = csv.reader(self._lines)
        with self._closing_on_error():
            self._raw = self._closing.enter_context(path.open("rb"))
            self.size = path.stat().st_size
            with self._described_errors():
                stream = unpack(self._raw, self._warn_of_file, self._closing)
                self._lines = Lines(self._closing.enter_context(decode(stream, options.encoding)))
                self.layout = Layout(self._lines, options)

    @property
    def position(self) -> int:
        """Return the number of bytes that have been read, of `size`; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def rows(self, wanted: Callable[[str, str], bool] | None = None) -> Iterator[RecordedPrice | InvalidRow]:
        """Yield every row, or those for which `wanted` returns True, given symbol and time as written in the file.

        Raises SettingsError if the file is truncated or damaged, or is not text.
        """
        layout, lines = self.layout, self._lines
        decimal_comma = layout.separator == ";"
        reader = RowReader(self.options, decimal_comma=decimal_comma, now=utc_now(), warn=self._warn_of_file)
        with self._described_errors():
            for row in self._fields():
                if isinstance(row, InvalidRow):
                    yield row
                elif len(layout.columns) > 1:
                    yield from self._read_frame(row, reader, wanted)
                elif wanted is None or self._is_wanted(row, wanted):
                    read = reader.read(row, layout.columns[0], lines.taken + self._csv.line_num)
                    if type(read) is RecordedPrice or (
                        any(map(str.strip, row)) and not self.layout.takes_header(row, self._line())
                    ):
                        yield read
                if lines.invalid is not None and not self._has_warned:
                    self._warn_of_byte(lines.invalid, is_refused=reader.has_refused_a_byte)

    def _read_frame(
        self, row: list[str], reader: RowReader, wanted: Callable[[str, str], bool] | None
    ) -> Iterator[RecordedPrice | InvalidRow]:
        """Yield the price of each symbol that has one in this row."""
        if not row[0].strip()[:1].isdigit() and self.layout.takes_header(row, self._line()):
            return
        for columns in self.layout.columns:
            is_wanted = wanted is None or wanted(columns.symbol_text(row), columns.time_text(row))
            if is_wanted and row[columns.price].strip().lower() not in MISSING:
                yield reader.read(row, columns, self._line())

    def _is_wanted(self, row: list[str], wanted: Callable[[str, str], bool]) -> bool:
        columns = self.layout.columns[0]
        # Another header must not be passed over, because its columns hold from there on.
        if not row[columns.price][-1:].isdigit() and self.layout.takes_header(row, self._line()):
            return False
        return wanted(columns.symbol_text(row), columns.time_text(row))

    def _fields(self) -> Iterator[list[str] | InvalidRow]:
        """Yield the fields of each row that is as wide as the header."""
        lines = self._lines
        self._csv = csv.reader(lines, delimiter=lines.separator)
        while True:
            try:
                for row in self._csv:
                    width = lines.width
                    if len(row) == width or (len(row) > width and not any(row[width:])):
                        yield row
                    elif (invalid := self._explain_width(row)) is not None:
                        yield invalid
                return
            except csv.Error as error:
                yield InvalidRow(self._line(), str(error))

    def _explain_width(self, row: list[str]) -> InvalidRow | None:
        """Return the reason why a row of another width is refused, or None for an empty row or a header."""
        number = self._line()
        if not any(cell.strip() for cell in row):
            fault = self._lines.take_fault()
            return None if fault is None else InvalidRow(number, fault)
        reason = f"has {len(row)} fields, the header has {self._lines.width}"
        if self.layout.is_joined(row):
            return InvalidRow(number, f"{reason}: two files were joined here, break this line in two")
        return None if self.layout.takes_header(row, self._line()) else InvalidRow(number, reason)

    def _warn_of_byte(self, line: str, *, is_refused: bool) -> None:
        """Name the first byte that is not text, once, unless its row was refused for it."""
        self._has_warned = True
        if not is_refused:
            reason = describe_byte(line, self.options.encoding)
            self._warn_of_file(f"line {self._line()} is read, but not this column: {reason}")

    def _warn_of_file(self, line: str) -> None:
        self._warn(f"{self.path}: {line}")

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._closing.close()
            raise SettingsError(f"{self.path} cannot be read: {error.strerror or error}") from error
        except BaseException:
            self._closing.close()
            raise

    @contextmanager
    def _described_errors(self) -> Iterator[None]:
        """Translate the errors of reading, unpacking and decoding into one line with the file's name."""
        try:
            yield
        except EOFError as error:
            raise SettingsError(f"{self.path} is cut off after line {self._line()}") from error
        except UnicodeDecodeError as error:
            reason = (
                f"{self.path} is not {error.encoding} text after line {self._line()}: give its encoding with --encoding"
            )
            raise SettingsError(reason) from error
        except _DAMAGE as error:
            raise SettingsError(f"{self.path} is damaged after line {self._line()}: {error}") from error
        except SettingsError as error:
            raise SettingsError(f"{self.path} {error}") from error

    def _line(self) -> int:
        """Return the number of the last line that was read."""
        return self._lines.taken + self._csv.line_num
