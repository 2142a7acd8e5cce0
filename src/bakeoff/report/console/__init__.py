"""Runs, progress, plans and studies on a terminal."""
