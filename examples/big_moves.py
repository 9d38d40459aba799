"""A consumer of one's own: says when a price is more than 1 % away from the one before.

Run it beside the pipeline:  ./stockwire consume examples.big_moves:big_moves
"""

from collections.abc import Sequence
from decimal import Decimal

from shared.events import StockData
from shared.messaging.consumer import consumer

last: dict[str, Decimal] = {}


@consumer("big_moves", "stock.*.price")
def big_moves(events: Sequence[StockData]) -> None:
    for event in events:
        before = last.get(event.symbol, event.price)
        change = (event.price - before) / before * 100
        if abs(change) > 1:
            print(f"{event.symbol} {before} -> {event.price} ({change:+.1f} %) as of {event.as_of}", flush=True)
        last[event.symbol] = event.price
