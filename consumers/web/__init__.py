"""The HTTP API, live events, and the page that uses both. Reads the history and alerts databases."""
