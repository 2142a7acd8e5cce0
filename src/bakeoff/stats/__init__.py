"""Arrays in, values out: designs, effects with intervals, noise, models of all runs."""
