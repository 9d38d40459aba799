"""The lines of a file's text: comments passed over, and lines that would spoil others replaced by empty ones."""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import TextIO

from producer.recordings.text import first_invalid_byte

BYTE_ORDER_MARK = "\ufeff"
# Characters of a line, and of a field with line breaks.
MAX_LINE = 1 << 16


class Quotes(Enum):
    """The state at the end of a line: outside of quotes, inside of a quoted field, or behind a misplaced quote."""

    CLOSED = auto()
    OPEN = auto()
    MISPLACED = auto()


class Lines:
    """The lines of a text, one item each, for a csv.reader.

    A line that cannot be read is replaced by an empty line, and `fault` says why until `take_fault` is called.
    `separator` and `width`, the number of fields, become known with the header, whose lines `taken` counts.
    """

    def __init__(self, text: TextIO) -> None:
        self.separator = ","
        self.width = 0
        self.taken = 0
        self._read = partial(text.readline, MAX_LINE)
        self._pending: deque[str] = deque()
        self._fault: str | None = None
        # The first line with a byte that the encoding does not know.
        self.invalid: str | None = None

    def __iter__(self) -> Iterator[str]:
        pending, read = self._pending, self._read
        while line := pending.popleft() if pending else read():
            if line.isascii() and '"' not in line and line[0] != "#" and len(line) < MAX_LINE:
                yield line
            else:
                yield from self._inspect(line)

    def take_record(self) -> str:
        """Take the next line, with its quoted line breaks; an empty text at the end."""
        line = self._pending.popleft() if self._pending else self._read()
        lines = self._inspect(line) if line else []
        self.taken += len(lines)
        return "".join(lines)

    def peek(self, count: int) -> list[str]:
        """Return the next lines as they are, without taking them."""
        while len(self._pending) < count and (line := self._read()):
            self._pending.append(line)
        return list(islice(self._pending, count))

    def take_fault(self) -> str | None:
        """Return the reason why the last line was replaced, once."""
        fault, self._fault = self._fault, None
        return fault

    def push_back(self, record: str) -> None:
        """Give the lines of a record out once more."""
        lines = record.splitlines(keepends=True)
        self._pending.extendleft(reversed(lines))
        self.taken -= len(lines)

    def _inspect(self, line: str) -> list[str]:
        """Return the lines to give out for this line: itself, those of a quoted line break, or an empty line."""
        line = line.lstrip(BYTE_ORDER_MARK) or "\n"
        if self.invalid is None and first_invalid_byte(line) is not None:
            self.invalid = line
        if len(line) >= MAX_LINE and line[-1] not in "\r\n":
            self._skip_line()
            return self._replace(f"is longer than {MAX_LINE:,} characters")
        if line[0] == "#":
            return ["\n"]
        if '"' not in line or scan_quotes(line, self.separator) is not Quotes.OPEN:
            return [line]
        rest = self._rest_of_record(len(line))
        if rest is None:
            return self._replace("has a quote that is not closed")
        return [line, *rest]

    def _replace(self, fault: str) -> list[str]:
        self._fault = fault
        return ["\n"]

    def _skip_line(self) -> None:
        while (more := self._read()) and more[-1] not in "\r\n":
            pass

    def _rest_of_record(self, size: int) -> list[str] | None:
        """Return the lines up to the end of the quoted field, or None if the quote swallows rows instead of text."""
        rest: list[str] = []
        while size < MAX_LINE:
            line = self._pending.popleft() if self._pending else self._read()
            if not line:
                break
            rest.append(line)
            size += len(line)
            quotes = scan_quotes(line, self.separator, inside=True)
            if quotes is Quotes.CLOSED:
                return rest
            # A line with as many fields as a row, inside of quotes, is a row.
            if quotes is Quotes.MISPLACED or (self.width > 1 and line.count(self.separator) >= self.width - 1):
                break
        self._pending.extendleft(reversed(rest))
        return None


def scan_quotes(line: str, separator: str, *, inside: bool = False) -> Quotes:
    """Return the state at the end of a line that begins at a field, or `inside` of a quoted one.

    A quote opens a field only at its start, and closes it only before a separator or the end of the line.
    """
    position = 0
    while True:
        if not inside:
            if line.startswith('"', position):
                inside = True
                position += 1
                continue
            position = line.find(separator, position) + 1
            if not position:
                return Quotes.CLOSED
            continue
        end = line.find('"', position)
        if end < 0:
            return Quotes.OPEN
        position = end + 1
        if line.startswith('"', position):
            position += 1
            continue
        if not line[position:].strip("\r\n "):
            return Quotes.CLOSED
        if not line.startswith(separator, position):
            return Quotes.MISPLACED
        inside = False
        position += len(separator)
