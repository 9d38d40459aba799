"""The types of columns in the alerts database: prices, instants and durations as numbers."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Double
from sqlalchemy.types import TypeDecorator

from shared.prices import from_float
from shared.times import from_micros, to_micros


class Price(TypeDecorator[Decimal]):
    """A decimal of at most 15 significant digits, stored as a float."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> float | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else float(value)

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_float(value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_micros(value)


class Duration(TypeDecorator[timedelta]):
    """A length of time, stored as whole seconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Any) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else int(value.total_seconds())

    def process_result_value(self, value: Any, dialect: Any) -> timedelta | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else timedelta(seconds=value)
