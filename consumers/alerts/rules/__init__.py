"""Alert rules: their text, and where they are stored."""
