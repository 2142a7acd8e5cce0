"""One run: trained, evaluated, and where it is kept."""
