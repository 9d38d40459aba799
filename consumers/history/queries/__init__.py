"""Reading the history database."""
