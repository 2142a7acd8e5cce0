"""What is shown to people: cards, runs, progress, tables, charts."""
