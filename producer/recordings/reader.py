"""A file of recorded prices, read row by row; refused rows are reported and passed over."""

import csv
import logging
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Self

from producer.recordings.frames import find_frames, is_fields
from producer.recordings.header import (
    Columns,
    HeaderError,
    find_columns,
    find_numbered_columns,
    is_header,
    names_of,
)
from producer.recordings.lines import Lines
from producer.recordings.numbers import MISSING
from producer.recordings.options import ReadingOptions
from producer.recordings.packing import unpack
from producer.recordings.rows import InvalidRow, RecordedPrice, RowReader, Warn
from producer.recordings.text import decode, describe_byte
from shared.errors import SettingsError
from shared.times import utc_now

log = logging.getLogger(__name__)

# The separators, the one that text holds least often first.
_SEPARATORS = "\t;|,"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\s,;|]*', re.IGNORECASE)
_MOST_HEADER_LINES = 3
_DAMAGE = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)
_DEFAULTS = ReadingOptions()


class Recording:
    """An open file of recorded prices, to be read once and used as a context manager.

    `columns` are those of the header, one for each symbol if the header names symbols. docs/files.md describes the
    files that are read.
    """

    def __init__(self, path: Path, options: ReadingOptions = _DEFAULTS, warn: Warn = log.warning) -> None:
        """Open the file. Raises SettingsError if this fails, or if a column is missing."""
        self.path = path
        self.options = options
        self._warn = warn
        self._closing = ExitStack()
        self._headers: list[list[str]] = []
        self._has_warned = False
        self._lines = Lines(StringIO())
        self._csv = csv.reader(self._lines)
        with self._closing_on_error():
            self._raw = self._closing.enter_context(path.open("rb"))
            self.size = path.stat().st_size
            with self._described_errors():
                stream = unpack(self._raw, self._warn_of_file, self._closing)
                self._lines = Lines(self._closing.enter_context(decode(stream, options.encoding)))
                self.columns = self._read_header()

    @property
    def position(self) -> int:
        """Return the number of bytes that have been read, of `size`; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    @property
    def separator(self) -> str:
        return self._lines.separator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def rows(self, wanted: Callable[[str, str], bool] | None = None) -> Iterator[RecordedPrice | InvalidRow]:
        """Yield every row, or those for which `wanted` returns True, given symbol and time as written in the file.

        Raises SettingsError if the file is truncated or damaged, or is not text.
        """
        decimal_comma = self.separator == ";"
        reader = RowReader(self.options, decimal_comma=decimal_comma, now=utc_now(), warn=self._warn_of_file)
        with self._described_errors():
            for row in self._fields():
                if isinstance(row, InvalidRow):
                    yield row
                elif len(self.columns) > 1:
                    yield from self._read_frame(row, reader, wanted)
                elif wanted is None or self._is_wanted(row, wanted):
                    read = reader.read(row, self.columns[0], self._line())
                    if type(read) is RecordedPrice or (any(map(str.strip, row)) and not self._is_header(row)):
                        yield read
                if self._lines.invalid is not None and not self._has_warned:
                    self._warn_of_byte(self._lines.invalid, is_refused=reader.has_refused_a_byte)

    def column_names(self) -> dict[str, str]:
        """Return the name in the file, or the number, of each field's column that the file has."""
        header = self._headers[0] if self._headers else []
        if len(self._headers) == _MOST_HEADER_LINES:
            # yfinance has the name of the first column in the last line.
            header = [self._headers[-1][0], *header[1:]]
        return names_of(self.columns[0], header)

    def _read_frame(
        self, row: list[str], reader: RowReader, wanted: Callable[[str, str], bool] | None
    ) -> Iterator[RecordedPrice | InvalidRow]:
        """Yield the price of each symbol that has one in this row."""
        if not row[0].strip()[:1].isdigit() and self._is_header(row):
            return
        for columns in self.columns:
            is_wanted = wanted is None or wanted(columns.symbol_text(row), columns.time_text(row))
            if is_wanted and row[columns.price].strip().lower() not in MISSING:
                yield reader.read(row, columns, self._line())

    def _is_wanted(self, row: list[str], wanted: Callable[[str, str], bool]) -> bool:
        columns = self.columns[0]
        # Another header must not be passed over, because its columns hold from there on.
        if not row[columns.price][-1:].isdigit() and self._is_header(row):
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
        ends = self._headers[0][1:] if self.options.has_header else []
        if len(ends) > 1 and len(row) > len(ends) and row[-len(ends) :] == ends:
            return InvalidRow(number, f"{reason}: two files were joined here, break this line in two")
        return None if self._is_header(row) else InvalidRow(number, reason)

    def _is_header(self, row: list[str]) -> bool:
        """Return True if the row is a line of a header, as in files that were joined. Its columns hold from there on.

        Raises SettingsError if the columns of another header are not clear.
        """
        if not self.options.has_header:
            return False
        row = _without_empty_end(row)
        if row in map(_without_empty_end, self._headers):
            return True
        try:
            if len(self._headers) > 1:
                return self._is_header_of_frames(row)
            if not is_header(row):
                return False
            self.columns = [find_columns(row, self.options)]
        except HeaderError as error:
            number = self._line()
            raise SettingsError(f"has another header in line {number}, so the file ends there: it {error}") from error
        self._headers, self._lines.width = [row], self.columns[0].width
        return True

    def _is_header_of_frames(self, row: list[str]) -> bool:
        if is_fields(row):
            raise HeaderError("names other columns than the first one")
        for place in (0, 1):
            lines = [*self._headers[:place], row, *self._headers[place + 1 :]]
            if (frames := find_frames(lines, self.options)) is not None:
                self.columns = frames[0]
                return True
        return False

    def _read_header(self) -> list[Columns]:
        line = self._first_line()
        if match := _SEPARATOR_LINE.fullmatch(line.strip()):
            return self._read_columns(self._first_line(), match[1])
        return self._read_columns(line, "".join(each for each in _SEPARATORS if each in line) or ",")

    def _first_line(self) -> str:
        while line := self._lines.take_record():
            if (fault := self._lines.take_fault()) is not None:
                raise SettingsError(f"cannot be read: line {self._line()} {fault}")
            if line.strip():
                self._check_text(line)
                return line
        raise SettingsError("is empty")

    def _check_text(self, line: str) -> None:
        number = self._line()
        if any(each < " " and each not in "\t\r\n" for each in line):
            raise SettingsError(f"is not a text file with prices: line {number} has control characters")
        if (reason := describe_byte(line, self.options.encoding)) is not None:
            raise SettingsError(f"cannot be read: line {number}: {reason}")

    def _read_columns(self, line: str, separators: str) -> list[Columns]:
        """Return the columns by the first separator with which the line is a header."""
        errors: list[HeaderError] = []
        for separator in separators:
            cells = next(csv.reader([line], delimiter=separator))
            try:
                columns, headers = self._columns_of(cells, separator)
            except HeaderError as error:
                errors.append(error)
                continue
            self._lines.separator, self._lines.width, self._headers = separator, columns[0].width, headers
            if not self.options.has_header:
                self._lines.push_back(line)
            return columns
        raise errors[0]

    def _columns_of(self, cells: list[str], separator: str) -> tuple[list[Columns], list[list[str]]]:
        """Return the columns and the lines of the header. Raises HeaderError."""
        if not self.options.has_header:
            return [find_numbered_columns(cells, self.options)], []
        lines = [cells, *csv.reader(self._lines.peek(_MOST_HEADER_LINES - 1), delimiter=separator)]
        if (frames := find_frames(lines, self.options)) is None:
            return [find_columns(cells, self.options)], [cells]
        for _ in range(frames[1] - 1):
            self._lines.take_record()
        return frames[0], lines[: frames[1]]

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


def _without_empty_end(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]
