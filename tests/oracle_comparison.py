"""The parts of a comparison of an engine with the oracle: the same rules and prices in its own types."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import Engine, select

from consumers.alerts.rules.changes import rescale
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.option_texts import OptionTexts
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import insert_rules
from consumers.alerts.tables import holds
from shared.database.engine import reading, writing
from shared.events import PriceAlert, StockData
from tests.alert_oracle import Expected, Oracle, OracleRule, Price
from tests.event_factories import NOW
from tests.real_price_rules import RealPrices

LATENCY = timedelta(seconds=5)


def engine_rule(rule: OracleRule, number: int = 0) -> Rule:
    """Return the rule as the engine has it. Raises ValueError if it does not allow the options."""
    terms = parse_terms(rule.text)
    given = rule.options
    expires = given.get("expires")
    texts = OptionTexts(
        frequency=given.get("frequency"),
        hold=given.get("for"),
        rearm=given.get("rearm"),
        on_arm=given.get("on_arm"),
        expires=None if expires is None else expires.isoformat(),
        resolved=given.get("resolved"),
    )
    options = texts.applied_to(Options(), NOW)
    options.check(terms.condition)
    return Rule(number, rule.name, terms, 1, options, created_at=NOW)


def store_rules(engine: Engine, rules: Iterable[OracleRule]) -> None:
    with writing(engine) as connection:
        insert_rules(connection, [engine_rule(rule) for rule in rules])


def engine_event(price: Price) -> StockData:
    return StockData.create(
        symbol=price.symbol,
        price=price.price,
        currency=price.currency,
        as_of=price.as_of,
        provider=price.provider,
        observed_at=price.as_of + LATENCY,
        volume=price.volume,
        previous_close=price.previous_close,
    )


def engine_alerts(found: Iterable[PriceAlert]) -> Iterator[Expected]:
    """Yield alerts of the engine as the oracle tells them."""
    for each in found:
        assert each.price is not None
        yield Expected(
            each.rule_name, each.symbol, each.state, each.as_of, each.price, each.previous_price, each.threshold
        )


def held_symbols(engine: Engine) -> set[str]:
    """Return the symbols whose rules the engine holds."""
    with reading(engine) as connection:
        return set(connection.scalars(select(holds.c.symbol).where(holds.c.released.is_(False))))


def until_held(oracle: Oracle, arrivals: Iterator[Price], expected: list[Expected]) -> Iterator[Price]:
    """Yield arrivals up to the first that the oracle holds, so that a hold ends before the symbol's next price."""
    for price in arrivals:
        expected += oracle.take(price)
        yield price
        if oracle.held:
            return


def release_all(oracle: Oracle, engine: Engine, real: RealPrices) -> None:
    """End all holds in both: by the ratio of a split in the file, or as it is."""
    for symbol in sorted(oracle.held):
        feed = oracle.feeds[symbol]
        assert feed.mark is not None
        assert feed.held_at is not None
        release(oracle, engine, symbol, real.ratio(symbol, feed.mark.as_of, feed.held_at))


def release(oracle: Oracle, engine: Engine, symbol: str, ratio: Fraction | None) -> None:
    """End a hold in both; a ratio is that of a split, and without one the prices stay."""
    oracle.release(symbol, ratio)
    rescale(engine, symbol, None if ratio is None else Decimal(ratio.numerator) / Decimal(ratio.denominator))
