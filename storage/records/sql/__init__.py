"""Stores in SQL that SQLite and PostgreSQL both speak: SQLAlchemy Core, statements built once, values always bound."""
