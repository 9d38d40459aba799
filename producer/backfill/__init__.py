"""Fetching past prices and publishing them as history."""
