"""A forecast of what the watch list takes of each provider's plan."""
