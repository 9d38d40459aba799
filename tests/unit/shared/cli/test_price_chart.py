"""A chart of prices: its marks stand where the marked prices are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.cli.price_chart import MARK, Point, draw_price_chart

START = datetime(2026, 1, 1, tzinfo=UTC)


def series(*prices: int, step: timedelta = timedelta(days=1)) -> list[Point]:
    return [(START + number * step, Decimal(price)) for number, price in enumerate(prices)]


def test_marks_stand_at_the_times_and_heights_of_their_prices() -> None:
    points = series(10, 20, 10, 30, 10)
    lines = list(draw_price_chart("AAPL", points, [points[1], points[3]], 60, 12))
    assert "AAPL" in lines[0]
    marks = [(row, line.index(MARK)) for row, line in enumerate(lines) if MARK in line]
    [(high_row, high_column), (low_row, low_column)] = marks
    assert high_row < low_row
    assert low_column < high_column
    assert all(len(line) <= 60 and line.isprintable() for line in lines)
    assert lines[-1].split()[0] == "2026-01-01"


def test_times_within_two_days_are_told_to_the_minute() -> None:
    points = series(10, 20, 30, step=timedelta(hours=1))
    assert list(draw_price_chart("AAPL", points, [], 60, 12))[-1].split()[:2] == ["01", "00:00"]


def test_a_single_price_and_a_price_that_never_moves_are_drawn() -> None:
    for points in (series(10), series(10, 10, 10)):
        assert len(list(draw_price_chart("AAPL", points, points, 60, 12))) == 12


@pytest.mark.parametrize("peak", [0, 7_777, 99_999])
def test_the_highest_of_many_prices_is_in_the_chart(peak: int) -> None:
    prices = [10] * 100_000
    prices[peak] = 500
    lines = list(draw_price_chart("AAPL", series(*prices, step=timedelta(minutes=1)), [], 60, 12))
    assert lines[2].startswith("500")
