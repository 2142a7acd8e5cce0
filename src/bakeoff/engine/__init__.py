"""One training on one device: the loop, the optimizers, the evaluation."""
