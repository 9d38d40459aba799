"""The log of committed batches of live prices, out of which a reader of live events gets what it has missed.

Each live price has a number. Numbers grow in the order of commits, and are about the microsecond of the commit since
1970, so that they go on growing if the database is replaced by another. A row of the log has the keys of the prices of
one batch, packed, and the number of the last of them. Rows are kept for seven days, and the newest of the older ones.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import accumulate, chain
from operator import sub
from struct import iter_unpack, pack

from sqlalchemy import Connection, Dialect, delete, func, select, text

from consumers.history.tables import live_batch
from shared.database.driver_statement import DriverStatement
from shared.database.engine import POSTGRESQL

KEPT = timedelta(days=7)

_KEPT_MICROS = KEPT // timedelta(microseconds=1)
# The log is looked through for old rows after this many batches, or this many seconds.
_BATCHES_PER_PRUNING = 100
_PRUNING_INTERVAL = 60.0
_LEVEL = 1  # of zlib: the time counts more than the size
# Up to this size zlib gets its smallest window and memory: to set up the usual ones takes far longer than to pack a few
# keys.
_FEW_BYTES = 512
_SMALLEST_WINDOW, _LEAST_MEMORY = 9, 1

# The id of a series, and `as_of` in microseconds since 1970.
PriceKey = tuple[int, int]

# SQLite has no `greatest`, and PostgreSQL no `max` of two numbers.
_APPEND = (
    "INSERT INTO live_batch (last_number, prices)"
    " VALUES ({greatest}(:now, (SELECT max(last_number) FROM live_batch) + 1) + :more, :prices)"
)
# Until the transaction ends: otherwise a batch with a smaller number could be committed after one with a larger.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('stockwire.live_batch'))")


class LiveBatchLog:
    """Appends batches to the log, in the transaction that stores their prices."""

    def __init__(self, dialect: Dialect, clock: Callable[[], float] = time.monotonic) -> None:
        self._locks = dialect.name == POSTGRESQL
        append = text(_APPEND.format(greatest="greatest" if self._locks else "max"))
        self._append = DriverStatement(append, dialect, ("now", "more", "prices"))
        self._clock = clock
        self._batches = 0
        self._pruned_at = clock()

    def append(self, connection: Connection, keys: Sequence[PriceKey], now: int) -> None:
        """Log the keys of the live prices of a batch, in their order; `now` is in microseconds since 1970."""
        if not keys:
            return
        if self._locks:
            connection.execute(_LOCK)
        self._append.run(connection, [(now, len(keys) - 1, pack_keys(keys))])
        self._batches += 1
        if self._batches >= _BATCHES_PER_PRUNING or self._clock() - self._pruned_at >= _PRUNING_INTERVAL:
            prune(connection, now - _KEPT_MICROS, 2 * self._batches + _BATCHES_PER_PRUNING)
            self._batches, self._pruned_at = 0, self._clock()


def prune(connection: Connection, before: int, most: int) -> None:
    """Delete up to `most` rows with numbers below `before`, all but the newest of these."""
    number = live_batch.c.last_number
    newest = select(func.max(number)).where(number < before).scalar_subquery()
    old = select(number).where(number < newest).order_by(number).limit(most)
    connection.execute(delete(live_batch).where(number.in_(old)))


def pack_keys(keys: Sequence[PriceKey]) -> bytes:
    """Return keys as compressed bytes: the steps from one id to the next, then those between the times."""
    steps = (map(sub, column, (0, *column[:-1])) for column in zip(*keys, strict=True))
    data = pack(f"<{2 * len(keys)}q", *chain.from_iterable(steps))
    if len(data) > _FEW_BYTES:
        return zlib.compress(data, _LEVEL)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SMALLEST_WINDOW, _LEAST_MEMORY)
    return packer.compress(data) + packer.flush()


def unpack_keys(packed: bytes) -> list[PriceKey]:
    """Return the keys that `pack_keys` has packed; none for the first row of the log, which stands for no batch."""
    if not packed:
        return []
    steps = [step for (step,) in iter_unpack("<q", zlib.decompress(packed))]
    half = len(steps) // 2
    return list(zip(accumulate(steps[:half]), accumulate(steps[half:]), strict=True))
