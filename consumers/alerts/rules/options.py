"""The options of a rule: when it fires again, how long its condition must hold, until when it counts, whom it tells."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from string import Formatter

from consumers.alerts.conditions.base import Condition, Direction
from consumers.alerts.conditions.metrics import parse_span
from consumers.alerts.notifications.targets import check_target_name
from shared.prices import format_price, read_price
from shared.times import format_duration, format_instant

# The fields that a message may have, and no others.
MESSAGE_FIELDS = ("symbol", "price", "previous_price", "change", "threshold", "rule", "as_of")
MAX_MESSAGE = 500


class OnArm(StrEnum):
    """`wait` skips the first price, if a state condition is true on it."""

    FIRE = "fire"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Frequency:
    """`every`: each time. `once`: the rule is expired after its first alert. `once-per:1h`: not more often."""

    once: bool = False
    per: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """Return the frequency of `once`, `every` or `once-per:1h`. Raises ValueError."""
        word, colon, period = text.strip().lower().partition(":")
        if word in ("once", "every") and not colon:
            return cls(once=word == "once")
        if word == "once-per" and colon:
            return cls(per=parse_span(period).duration)
        raise ValueError(f"frequency {text[:40]!r} was not understood: use once, every or once-per:1h")

    def __str__(self) -> str:
        if self.per is not None:
            return f"once-per:{format_duration(self.per)}"
        return "once" if self.once else "every"


EVERY = Frequency()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a rule; those without a value change nothing.

    `hold` is the time of `--for`. `notify` are names of targets.
    """

    frequency: Frequency = EVERY
    hold: timedelta | None = None
    rearm: Decimal | None = None
    on_arm: OnArm = OnArm.FIRE
    expires: datetime | None = None
    notify: tuple[str, ...] = ()
    resolved: bool = False
    message: str | None = None

    def check(self, condition: Condition) -> None:
        """Raise ValueError for an option that the condition does not allow, or that cannot be."""
        if self.rearm is not None:
            _check_rearm(condition, self.rearm)
        if self.hold is not None and not (condition.is_state and condition.allows_for):
            raise ValueError(f"--for is not for {condition.phrase!r}: use it with a state, such as above or below")
        if self.on_arm is OnArm.WAIT and not condition.is_state:
            raise ValueError(f"--on-arm wait is not for {condition.phrase!r}, which never fires on the first price")
        if self.resolved and not condition.is_state and self.rearm is None:
            raise ValueError(f"--resolved is not for {condition.phrase!r}, which has no end; with --rearm PRICE it has")
        for name in self.notify:
            check_target_name(name)
        if self.message is not None:
            _check_message(self.message)

    def __str__(self) -> str:
        """Return the options as a command line has them."""
        parts = [
            f"--frequency {self.frequency}" if self.frequency != EVERY else "",
            f"--for {format_duration(self.hold)}" if self.hold is not None else "",
            f"--rearm {format_price(self.rearm)}" if self.rearm is not None else "",
            f"--on-arm {self.on_arm}" if self.on_arm is not OnArm.FIRE else "",
            f"--expires {format_instant(self.expires)}" if self.expires is not None else "",
            *(f"--notify {name}" for name in self.notify),
            "--resolved" if self.resolved else "",
            f"--message {self.message!r}" if self.message is not None else "",
        ]
        return " ".join(filter(None, parts))


def parse_rearm(text: str) -> Decimal:
    """Return the price of `--rearm`. Raises ValueError."""
    try:
        return read_price(text)
    except ValueError as error:
        raise ValueError(f"--rearm {error}: write a price, such as --rearm 195") from error


def is_rearmed(condition: Condition, rearm: Decimal, price: Decimal) -> bool:
    """Return True if the price has returned to the price of `--rearm`."""
    return price <= rearm if condition.rearms is Direction.DOWN else price >= rearm


def _check_rearm(condition: Condition, rearm: Decimal) -> None:
    threshold = condition.threshold
    if condition.rearms is None or threshold is None:
        raise ValueError(
            f"--rearm is not for {condition.phrase!r}: use it with above, below, crossing up or crossing down"
        )
    down = condition.rearms is Direction.DOWN
    if rearm >= threshold if down else rearm <= threshold:
        side = "below" if down else "above"
        raise ValueError(
            f"--rearm {format_price(rearm)} must lie {side} {format_price(threshold)}, the threshold of {condition}"
        )


def _check_message(message: str) -> None:
    if not message.strip() or len(message) > MAX_MESSAGE or not message.isprintable():
        raise ValueError(f"--message must have 1-{MAX_MESSAGE} printable characters")
    allowed = " ".join(f"{{{name}}}" for name in MESSAGE_FIELDS)
    try:
        parts = list(Formatter().parse(message))
    except ValueError as error:
        raise ValueError(
            f"--message {message[:40]!r} has a wrong brace: use {allowed}, and {{{{ for a brace"
        ) from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in MESSAGE_FIELDS or form or conversion):
            raise ValueError(f"--message has the unknown field {{{name[:40]}}}: use {allowed}")
