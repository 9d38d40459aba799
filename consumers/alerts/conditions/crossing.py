"""`AAPL crossing 200`: previous price < 200 <= price, or previous price > 200 >= price."""

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("crossing", rising=Interval.RIGHT_CLOSED, falling=Interval.LEFT_CLOSED)
