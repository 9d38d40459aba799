"""The layout of a file's rows: its separator and its columns, by the header that was read last."""

import csv
import re

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
from producer.recordings.options import ReadingOptions
from producer.recordings.text import describe_byte
from shared.errors import SettingsError

# The separators, the one that text holds least often first.
_SEPARATORS = "\t;|,"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\s,;|]*', re.IGNORECASE)
_MOST_HEADER_LINES = 3


class Layout:
    """The columns of the rows, one set per symbol if the header names symbols.

    Files that were joined have several headers; each holds for the rows below it. Messages go on after the file's name.
    """

    def __init__(self, lines: Lines, options: ReadingOptions) -> None:
        """Take the header from the lines. Raises SettingsError if there is none, or if a column is missing."""
        self._lines = lines
        self._options = options
        self._headers: list[list[str]] = []
        self.columns: list[Columns] = []
        line = self._first_line()
        if match := _SEPARATOR_LINE.fullmatch(line.strip()):
            self._read_header(self._first_line(), match[1])
        else:
            self._read_header(line, "".join(each for each in _SEPARATORS if each in line) or ",")

    @property
    def separator(self) -> str:
        return self._lines.separator

    def column_names(self) -> dict[str, str]:
        """Return the name in the file, or the number, of each field's column that the file has."""
        header = self._headers[0] if self._headers else []
        if len(self._headers) == _MOST_HEADER_LINES:
            # yfinance has the name of the first column in the last line.
            header = [self._headers[-1][0], *header[1:]]
        return names_of(self.columns[0], header)

    def takes_header(self, row: list[str], number: int) -> bool:
        """Return True if the row, in line `number`, is a line of a header. Its columns hold from there on.

        Raises SettingsError if the columns of another header are not clear.
        """
        if not self._options.has_header:
            return False
        row = _without_empty_end(row)
        if row in map(_without_empty_end, self._headers):
            return True
        try:
            if len(self._headers) > 1:
                return self._takes_frames(row)
            if not is_header(row):
                return False
            self.columns = [find_columns(row, self._options)]
        except HeaderError as error:
            raise SettingsError(f"has another header in line {number}, so the file ends there: it {error}") from error
        self._headers, self._lines.width = [row], self.columns[0].width
        return True

    def is_joined(self, row: list[str]) -> bool:
        """Return True if the row ends as the header does: a file was appended to one without a last line break."""
        ends = self._headers[0][1:] if self._headers else []
        return len(ends) > 1 and len(row) > len(ends) and row[-len(ends) :] == ends

    def _takes_frames(self, row: list[str]) -> bool:
        if is_fields(row):
            raise HeaderError("names other columns than the first one")
        for place in (0, 1):
            lines = [*self._headers[:place], row, *self._headers[place + 1 :]]
            if (frames := find_frames(lines, self._options)) is not None:
                self.columns = frames[0]
                return True
        return False

    def _first_line(self) -> str:
        while line := self._lines.take_record():
            if (fault := self._lines.take_fault()) is not None:
                raise SettingsError(f"cannot be read: line {self._lines.taken} {fault}")
            if line.strip():
                self._check_text(line)
                return line
        raise SettingsError("is empty")

    def _check_text(self, line: str) -> None:
        number = self._lines.taken
        if any(each < " " and each not in "\t\r\n" for each in line):
            raise SettingsError(f"is not a text file with prices: line {number} has control characters")
        if (reason := describe_byte(line, self._options.encoding)) is not None:
            raise SettingsError(f"cannot be read: line {number}: {reason}")

    def _read_header(self, line: str, separators: str) -> None:
        """Read the header by the first separator with which the line is one."""
        errors: list[HeaderError] = []
        for separator in separators:
            try:
                self._split_header(next(csv.reader([line], delimiter=separator)), separator)
            except HeaderError as error:
                errors.append(error)
                continue
            self._lines.separator, self._lines.width = separator, self.columns[0].width
            if not self._options.has_header:
                self._lines.push_back(line)
            return
        raise errors[0]

    def _split_header(self, cells: list[str], separator: str) -> None:
        """Find the columns and the lines of the header. Raises HeaderError."""
        if not self._options.has_header:
            self.columns = [find_numbered_columns(cells, self._options)]
            return
        lines = [cells, *csv.reader(self._lines.peek(_MOST_HEADER_LINES - 1), delimiter=separator)]
        if (frames := find_frames(lines, self._options)) is None:
            self.columns, self._headers = [find_columns(cells, self._options)], [cells]
            return
        self.columns, count = frames
        self._headers = lines[:count]
        for _ in range(count - 1):
            self._lines.take_record()


def _without_empty_end(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]
