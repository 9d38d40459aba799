"""`AAPL below 200`: true while price < 200."""

from operator import lt

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("below", falling=Interval.RIGHT_CLOSED, is_true=lt)
