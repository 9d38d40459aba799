"""Providers over HTTP: requests, quotas and circuit breakers, shared by all live providers."""
