"""Images in memory or in files: read, split, ordered, augmented in batches."""
