"""The history consumer: every price, once, for good."""
