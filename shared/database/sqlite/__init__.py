"""SQLite files: errors in a user's words, connections for reading, and a guard against changes by other programs."""
