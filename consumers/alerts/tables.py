"""The tables of the alerts database, and a readable view of the alerts.

Times are whole microseconds since 1970 (UTC). A price is a 64-bit float, which keeps up to 15 significant digits. The
view `price_alerts` shows times as ISO 8601 text.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    text,
)

from consumers.alerts.column_types import Duration, Instant, Price
from shared.database.migrations import Migrations
from shared.database.schema import Schema

metadata = MetaData()

# One row. Each change of the rules adds 1 to `revision`, and each batch that changes a watermark adds 1 to `batches`. A
# process that finds both unchanged knows that the rules and watermarks in its memory are current.
counters = Table(
    "counters",
    metadata,
    Column("revision", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
)

# Autoincrement, because alerts and their event ids refer to a rule's id: the id must not be used again. `terms` is the
# line `AAPL crossing up 200`, `condition` its name in events, and `hold` the time of `--for`. A null option is not set.
# `changed_at` is the time at which the rule was last edited, enabled or disabled; null if that is not known.
rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("symbol", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant),
    Column("frequency", Text, nullable=False),
    Column("hold", Duration),
    Column("rearm", Price),
    Column("on_arm", Text, nullable=False),
    Column("expires", Instant),
    Column("resolved", Boolean, nullable=False),
    Column("message", Text),
    Column("enabled", Boolean, nullable=False),
    Column("silenced_until", Instant),
    sqlite_autoincrement=True,
)
Index("rules_symbol", rules.c.symbol, rules.c.revision)

# The targets that each rule tells.
rule_targets = Table(
    "rule_targets",
    metadata,
    Column("rule_id", BigInteger, primary_key=True, autoincrement=False),
    Column("target", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# The index of the enabled rules: a rule can change only when its number (`metric`: the price, the volume, the change in
# a window, ...) reaches one of its levels in the direction of that level. The first number of a symbol, before which
# there is none, is of interest only to the levels with `fires_first`: those of conditions that are states. Such a
# condition ends when the number goes back over its level.
rule_levels = Table(
    "rule_levels",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("level", Double, primary_key=True, autoincrement=False),
    Column("rule_id", BigInteger, primary_key=True, autoincrement=False),
    Column("fires_first", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("rule_levels_rule", rule_levels.c.rule_id)

# The number of levels of each symbol and metric, so that an event is measured only where a rule needs it.
metric_usage = Table(
    "metric_usage",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("levels", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The state of a rule on a symbol, if there is more to know than follows from the last price, such as the time at which
# it began. `revision` is that of the rule. A `live` row must be looked at with every event of the symbol.
rule_states = Table(
    "rule_states",
    metadata,
    Column("rule_id", BigInteger, primary_key=True, autoincrement=False),
    Column("symbol", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("status", Text),
    Column("since", Instant),
    Column("told", Boolean, nullable=False),
    Column("fired", BigInteger, nullable=False),
    Column("last_fired_at", Instant),
    Column("acknowledged", Boolean, nullable=False),
    Column("expired", Boolean, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
# As SQLAlchemy writes the condition in queries: SQLite uses the index only for the same text.
Index("rule_states_live", rule_states.c.symbol, sqlite_where=text("live = 1"), postgresql_where=text("live"))

# The newest price of each symbol that counted. Rules of `revision` and older have been evaluated on the price.
# `provider` is null if an earlier version stored the row. `volume`, and `close_price` with its `previous_close`, are of
# the last event that had them. `seen_at` is the time by our clock at which an event arrived last; if that event was
# late, the columns `late_*` say so.
watermarks = Table(
    "watermarks",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("price", Price, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("currency", Text),
    Column("provider", Text),
    Column("volume", BigInteger),
    Column("volume_revision", BigInteger, nullable=False),
    Column("close_price", Price),
    Column("previous_close", Price),
    Column("close_revision", BigInteger, nullable=False),
    Column("previous_price", Price),
    Column("seen_at", Instant),
    Column("late_as_of", Instant),
    Column("late_provider", Text),
    sqlite_with_rowid=False,
)

# Symbols whose rules wait, because a price may be after a split. `last_as_of` and `last_price` are of the newest price
# since then. `published_at` is null until RabbitMQ has confirmed the RULES_HELD event. A released row is of use until
# the next price.
holds = Table(
    "holds",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("price", Price, nullable=False),
    Column("previous_price", Price, nullable=False),
    Column("ratio", Price, nullable=False),
    Column("last_as_of", Instant, nullable=False),
    Column("last_price", Price, nullable=False),
    Column("released", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# Splits that the history knows. `day` is ISO text: the first trading date with prices after the split. `applied` is
# true once the rules of the symbol were rescaled by the split.
known_splits = Table(
    "known_splits",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("new_shares", BigInteger, nullable=False),
    Column("old_shares", BigInteger, nullable=False),
    Column("applied", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# RULES_HELD events that RabbitMQ has not confirmed yet.
pending_events = Table(
    "pending_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("body", Text, nullable=False),
)

# The prices that windows need, for as long as a rule has such a window. Only prices of the same currency, and of real
# markets or not, are compared.
window_prices = Table(
    "window_prices",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("as_of", Instant, primary_key=True, autoincrement=False),
    Column("price", Price, nullable=False),
    Column("currency", Text),
    Column("is_real", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# `provider` and `interval` are those of the event. `interval` is empty for a quote, and `provider` is null if an
# earlier version stored the alert; such an alert also has the revision 0. Without an event, because there was no data,
# both are empty. `published_at` is null until RabbitMQ has confirmed the PRICE_ALERT event.
alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("rule_id", BigInteger, nullable=False),
    Column("rule_name", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("price", Price),
    Column("previous_price", Price),
    Column("threshold", Price),
    Column("as_of", Instant, nullable=False),
    Column("triggered_at", Instant, nullable=False),
    Column("event_id", Text),
    Column("published_at", Instant),
    Column("provider", Text),
    Column("interval", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("silenced", Boolean, nullable=False),
    UniqueConstraint("rule_id", "revision", "state", "provider", "symbol", "as_of", "interval", name="alerts_key"),
)

_pending = alerts.c.published_at.is_(None)
Index("alerts_pending", alerts.c.id, sqlite_where=_pending, postgresql_where=_pending)
Index("alerts_triggered", alerts.c.triggered_at)

# The log of committed events, out of which a reader of live events gets what it has missed. Numbers grow in the order
# of commits, and are about the microsecond of the commit since 1970, so that they go on growing if another database
# takes the place of this one. The first row stands for no event: from its number on, the log is complete.
event_log = Table(
    "event_log",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)

# `url` and `secret` are secrets: nothing shows, logs or exports them. At most `at_most` messages are sent in
# `at_most_per` seconds, and an alert is given up `ttl` seconds after it was raised. A disabled target gets no messages.
targets = Table(
    "targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("secret", Text),
    Column("at_most", Integer),
    Column("at_most_per", Integer),
    Column("ttl", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_reason", Text),
    sqlite_autoincrement=True,
)

# One row per event and target, sent in the order of `id`. `state` is pending, sent, failed or expired. `finished_at` is
# the time at which a delivery stopped being pending. `body` is the event as it is sent. Deliveries that are sent as one
# message have the same `digest_id`.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("last_error", Text),
    Column("digest_id", Text),
    UniqueConstraint("event_id", "target", name="deliveries_key"),
    sqlite_autoincrement=True,
)

_unsent = deliveries.c.state == "pending"
Index("deliveries_pending", deliveries.c.target, deliveries.c.id, sqlite_where=_unsent, postgresql_where=_unsent)
Index("deliveries_finished", deliveries.c.state, deliveries.c.finished_at)

SCHEMA = Schema(
    name="alerts",
    metadata=metadata,
    views={
        "price_alerts": """
            SELECT symbol,
                   {instant[as_of]} AS as_of,
                   price,
                   rule_name,
                   condition,
                   threshold,
                   previous_price,
                   state,
                   terms,
                   message,
                   silenced,
                   {instant[triggered_at]} AS triggered_at,
                   {instant[published_at]} AS published_at,
                   rule_id,
                   event_id
            FROM alerts
        """
    },
    first_rows=(insert(counters).values(revision=0, batches=0), insert(event_log).values(number=0, body="")),
    migrations=Migrations(Path(__file__).with_name("migrations"), latest="0008"),
    # The URLs of targets are secrets.
    private=True,
)
