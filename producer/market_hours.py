"""Which syncs are sent where a market is set: those of its open hours, and one after each close."""

import logging
from datetime import datetime
from pathlib import Path

from sqlalchemy import BigInteger, Column, Table, Text, select

from producer.state import metadata, open_state
from shared.database import reading, writing
from shared.errors import SettingsError, StorageError
from shared.market_calendar import MarketCalendar
from shared.schema import insert_into
from shared.times import from_micros, to_micros

log = logging.getLogger(__name__)

last_sent = Table(
    "last_sent",
    metadata,
    Column("market", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)


class LastSent:
    """When a sync was last sent, kept across restarts, for each market by itself."""

    def __init__(self, folder: Path, market: str) -> None:
        self._folder = folder
        self._market = market

    def read(self) -> datetime | None:
        """None where none was. Raises StorageError."""
        query = select(last_sent.c.at).where(last_sent.c.market == self._market)
        with open_state(self._folder) as engine, reading(engine) as connection:
            micros = connection.execute(query).scalar_one_or_none()
        return None if micros is None else from_micros(micros)

    def write(self, at: datetime) -> None:
        """Raises StorageError."""
        row = {"market": self._market, "at": to_micros(at)}
        with open_state(self._folder) as engine, writing(engine) as connection:
            statement = insert_into(last_sent, connection.dialect.name)
            connection.execute(statement.on_conflict_do_update(set_={"at": statement.excluded.at}), row)


class MarketHours:
    """What the market's hours have to say to a beat, which asks at every tick; instants are in UTC."""

    def __init__(self, market: MarketCalendar, last: LastSent, now: datetime) -> None:
        """What was owed before `now` is only known where it was remembered. Raises StorageError."""
        self._market = market
        self._last = last
        remembered = last.read()
        if remembered is None:
            last.write(now)
        # Up to here no close is without the sync that follows it.
        self._settled = remembered or now
        self._said_closed = self._said_unknown = False

    def is_open(self, now: datetime) -> bool:
        """Whether to sync on schedule; said in the log whenever that has changed.

        Where the calendar ends, so does all knowledge of it: rather than never again, it is synced then at all hours.
        """
        try:
            is_open = self._market.is_open(now)
        except SettingsError as error:
            if not self._said_unknown:
                log.warning("%s; until then syncs go on at all hours", error)
            self._said_unknown = is_open = True
        if is_open and self._said_closed:
            log.info("%s is open again: syncs go on", self._market.name)
            self._said_closed = False
        return is_open

    def closing(self, now: datetime) -> datetime | None:
        """Until when the sync after a close is worth running, where one is owed that was not sent yet."""
        # A clock that was ahead and is right again must not settle what is still to come.
        self._settled = min(self._settled, now)
        if self.is_open(now):
            return None
        if self._settled < self._market.last_close(now):
            return self._market.next_open(now)
        if not self._said_closed:
            log.info("%s: no sync is sent before", self._market.describe(now))
            self._said_closed = True
        return None

    def sent(self, at: datetime) -> None:
        """Note that a sync was sent, as of that instant."""
        self._settled = at
        try:
            self._last.write(at)
        except StorageError as error:
            log.warning("%s; if beat starts again while %s is closed, it may sync once more", error, self._market.name)
