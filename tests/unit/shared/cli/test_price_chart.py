"""A chart of prices: its marks stand where the marked prices are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from shared.chart_data import Point
from shared.cli.price_chart import MARK, Size, can_show_candles, draw_candle_chart, draw_price_chart

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = Size(60, 12)


def series(*prices: int, step: timedelta = timedelta(days=1)) -> list[Point]:
    return [(START + number * step, Decimal(price)) for number, price in enumerate(prices)]


def test_marks_stand_at_the_times_and_heights_of_their_prices() -> None:
    points = series(10, 20, 10, 30, 10)
    lines = list(draw_price_chart("AAPL", {"AAPL": points}, SIZE, marked=[points[1], points[3]]))
    assert "AAPL" in lines[0]
    marks = [(row, line.index(MARK)) for row, line in enumerate(lines) if MARK in line]
    [(high_row, high_column), (low_row, low_column)] = marks
    assert high_row < low_row
    assert low_column < high_column
    assert all(len(line) <= 60 and line.isprintable() for line in lines)
    assert lines[-1].split()[0] == "2026-01-01"


def test_times_within_two_days_are_told_to_the_minute() -> None:
    points = series(10, 20, 30, step=timedelta(hours=1))
    assert list(draw_price_chart("AAPL", {"AAPL": points}, SIZE))[-1].split()[:2] == ["01", "00:00"]


def test_a_single_price_and_a_price_that_never_moves_are_drawn() -> None:
    for points in (series(10), series(10, 10, 10)):
        assert len(list(draw_price_chart("AAPL", {"AAPL": points}, SIZE, marked=points))) == 12


@pytest.mark.parametrize("peak", [0, 7_777, 99_999])
def test_the_highest_of_many_prices_is_in_the_chart(peak: int) -> None:
    prices = [10] * 100_000
    prices[peak] = 500
    lines = list(draw_price_chart("AAPL", {"AAPL": series(*prices, step=timedelta(minutes=1))}, SIZE))
    assert lines[2].startswith("500")


def test_several_lines_have_a_legend_and_colours_only_on_request() -> None:
    lines = {"AAPL": series(10, 20, 10), "MSFT": series(30, 40, 30)}
    plain = list(draw_price_chart("two", lines, SIZE))
    assert all(any(label in line for line in plain) for label in lines)
    assert "\x1b" not in "".join(plain)
    coloured = "".join(draw_price_chart("two", lines, SIZE, colours=True))
    assert len({part[:10] for part in coloured.split("\x1b[38")[1:]}) >= 2


def test_times_are_shown_in_the_time_zone_of_the_chart() -> None:
    points = series(10, 20, 30, step=timedelta(hours=1))
    lines = list(draw_price_chart("AAPL", {"AAPL": points}, SIZE, zone=ZoneInfo("America/New_York")))
    assert lines[-1].split()[:2] == ["31", "19:00"]


class FakeCandle(NamedTuple):
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


def test_candles_stand_side_by_side_with_their_wicks() -> None:
    step = timedelta(days=7)
    candles = [FakeCandle(START + number * step, *map(Decimal, (10, 30, 5, 20))) for number in range(40)]
    assert can_show_candles(len(candles), SIZE)
    assert not can_show_candles(49, SIZE)
    lines = list(draw_candle_chart("AAPL", candles, SIZE))
    assert len(lines) == 12
    assert max(line.count("█") for line in lines) == len(candles)
    assert lines[-1].split()[0] == "2026-01-01"
