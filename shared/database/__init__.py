"""SQLAlchemy engines, schemas and migrations on SQLite and PostgreSQL, and readers that need no SQLAlchemy."""
