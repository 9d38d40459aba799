"""Alert rules: what a rule consists of, its line of text, and its storage."""
