"""What is kept of a study, gathered from the store and analysed; no torch."""
