"""A custom consumer: print each price that differs by more than 1 % from the previous price of its symbol.

Run it beside the pipeline: ./stockwire consume examples.big_moves:big_moves
"""

from collections.abc import Sequence
from decimal import Decimal

from shared.events import StockData
from shared.messaging.consumer import consumer

last_prices: dict[str, Decimal] = {}


@consumer("big_moves", "stock.*.price")
def big_moves(events: Sequence[StockData]) -> None:
    for event in events:
        previous = last_prices.get(event.symbol, event.price)
        change = (event.price - previous) / previous * 100
        if abs(change) > 1:
            print(f"{event.symbol} {previous} -> {event.price} ({change:+.1f} %) as of {event.as_of}", flush=True)
        last_prices[event.symbol] = event.price
