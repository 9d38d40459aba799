"""Positions in the stream of events: the ids of server-sent events."""

from typing import NamedTuple

# Decimal digits of a number of an event: microseconds since 1970 have 16 until the year 2286.
_DIGITS = 17
_BASE = 10**_DIGITS
_MAX_TEXT = 2 * _DIGITS


class Position(NamedTuple):
    """The numbers of the last price and of the last alert. A reader there has everything up to both."""

    price: int = 0
    alert: int = 0

    def __str__(self) -> str:
        """Return one number, which grows with both."""
        return str(self.price * _BASE + self.alert)

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Return the position of an id. Raises ValueError."""
        if not (text.isascii() and text.isdigit()) or len(text) > _MAX_TEXT:
            raise ValueError(f"{text[:40]!r} is not the id of an event of this stream")
        return cls(*divmod(int(text), _BASE))

    def up_to(self, head: "Position") -> "Position":
        """Return this position, or where it is beyond the head, the head."""
        return Position(min(self.price, head.price), min(self.alert, head.alert))
