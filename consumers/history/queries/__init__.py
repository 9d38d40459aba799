"""Queries of the history database."""
