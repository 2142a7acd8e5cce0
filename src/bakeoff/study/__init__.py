"""Which runs to make, and what they say: designs, effects with intervals, stopping rules. Arrays in, values out."""
