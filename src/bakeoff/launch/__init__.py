"""Processes that make runs: here alone it is known what a process is."""
