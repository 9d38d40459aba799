"""Conditions of alert rules, one per file; see `base` for how to add another."""
