"""`AAPL crossing down 200`: previous price > 200 >= price."""

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("crossing_down", falling=Interval.LEFT_CLOSED)
