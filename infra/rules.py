"""The command `stockwire rules`, whose rules take the past prices of their windows from the stored history."""

from collections.abc import Iterator
from datetime import datetime

from consumers.alerts.rules.commands import build_rules
from consumers.alerts.seeding import PastPrice
from consumers.history.queries.prices import history_exists, history_reader, read_prices
from consumers.history.queries.splits import read_adjustments
from infra.dry_run import dry_run
from infra.rule_trials import describe_year
from shared.settings import load_settings
from shared.times import utc_now


def past_prices(symbol: str, since: datetime) -> Iterator[PastPrice]:
    """Yield the stored prices of a symbol in shares of today, oldest first. Without a history there are none."""
    settings = load_settings()
    if not history_exists(settings):
        return
    with history_reader(settings) as reader:
        adjustment = read_adjustments(reader, [symbol], settings.market, until=utc_now().date()).get(symbol)
        for row in read_prices(reader, symbol, since, adjustment=adjustment):
            yield PastPrice(row.as_of, row.price, row.currency, row.provider)


rules = build_rules(past_prices, describe_year)
rules.command("dry-run")(dry_run)
