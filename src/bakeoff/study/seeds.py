"""Which training seeds are whose: what is compared shares them, what must be independent has its own.

Designs count from 0. What is kept in stores was trained with these, so they stay.
"""

SEARCH = 1_000  # of a search's runs, from here on
SWEEP = 50_000  # of runs at other strengths
PROOF = 100_000  # of what is proved
PUBLISHED = 200_000  # of the recipe as published
AGAIN = 10_000  # added where a configuration had the seed already
SECOND_TRY = 1_000_000  # added to the seed of a run that failed
SHORTER = 10_000_000  # added, in the analysis only, to those of runs of another length: they share none with others
