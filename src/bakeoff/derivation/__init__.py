"""The best recipe under a budget: searched, proved, written down."""
