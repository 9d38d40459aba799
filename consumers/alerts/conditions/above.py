"""`AAPL above 200`: true while price > 200."""

from operator import gt

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("above", rising=Interval.LEFT_CLOSED, is_true=gt)
