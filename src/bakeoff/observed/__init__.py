"""Runs that exist: a table of them, made by whatever made it, and what can be said about its columns."""
