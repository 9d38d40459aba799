"""`AAPL crossing up 200`: previous price < 200 <= price."""

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("crossing_up", rising=Interval.RIGHT_CLOSED)
