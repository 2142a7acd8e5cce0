"""What is done with a trained run: evaluated on a split, asked what is in an image."""
