"""Syncs of a market: on schedule while it is open, and one more after each close."""

import logging
from datetime import datetime
from pathlib import Path

from sqlalchemy import BigInteger, Column, Table, Text, select

from producer.state import metadata, open_state
from shared.database.engine import reading, writing
from shared.database.schema import insert_into
from shared.errors import SettingsError, StorageError
from shared.market_calendar import MarketCalendar
from shared.times import from_micros, to_micros

log = logging.getLogger(__name__)

last_sync = Table(
    "last_sync",
    metadata,
    Column("market", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)


class LastSync:
    """The instant (UTC) of the last sync that beat sent for a market, kept across restarts."""

    def __init__(self, folder: Path, market: str) -> None:
        self._folder = folder
        self._market = market

    def read(self) -> datetime | None:
        """Return the instant, or None if no sync was sent yet. Raises StorageError."""
        query = select(last_sync.c.at).where(last_sync.c.market == self._market)
        with open_state(self._folder) as engine, reading(engine) as connection:
            micros = connection.execute(query).scalar_one_or_none()
        return None if micros is None else from_micros(micros)

    def write(self, at: datetime) -> None:
        """Save the instant. Raises StorageError."""
        row = {"market": self._market, "at": to_micros(at)}
        with open_state(self._folder) as engine, writing(engine) as connection:
            statement = insert_into(last_sync, connection.dialect.name)
            connection.execute(statement.on_conflict_do_update(set_={"at": statement.excluded.at}), row)


class MarketHours:
    """Tells beat at every tick if a sync is due; instants are in UTC."""

    def __init__(self, market: MarketCalendar, last_sync: LastSync, now: datetime) -> None:
        """Read the last sync; without one, closes before `now` count as synced. Raises StorageError."""
        self._market = market
        self._store = last_sync
        stored = last_sync.read()
        if stored is None:
            last_sync.write(now)
        self._last_sync = stored or now
        self._logged_closed = self._logged_end_of_calendar = False

    def is_open(self, now: datetime) -> bool:
        """Return True if syncs go on schedule; log each change.

        After the end of the calendar the market counts as open, because syncs must not end without a word.
        """
        try:
            is_open = self._market.is_open(now)
        except SettingsError as error:
            if not self._logged_end_of_calendar:
                log.warning("%s; until then syncs go on around the clock", error)
            self._logged_end_of_calendar = is_open = True
        if is_open and self._logged_closed:
            log.info("%s is open again: syncs go on", self._market.name)
            self._logged_closed = False
        return is_open

    def closing_sync_until(self, now: datetime) -> datetime | None:
        """Return when the market next opens if the sync after its last close was not sent yet, otherwise None."""
        # The clock may have been ahead at the last sync; the closes until then have not been synced.
        self._last_sync = min(self._last_sync, now)
        if self.is_open(now):
            return None
        if self._last_sync < self._market.last_close(now):
            return self._market.next_open(now)
        if not self._logged_closed:
            log.info("%s: no sync is sent before", self._market.describe(now))
            self._logged_closed = True
        return None

    def record_sync(self, at: datetime) -> None:
        """Record that a sync was sent at this instant."""
        self._last_sync = at
        try:
            self._store.write(at)
        except StorageError as error:
            log.warning("%s; if beat restarts while %s is closed, it may send one more sync", error, self._market.name)
