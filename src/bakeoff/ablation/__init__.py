"""What each technique buys: a study planned, sized and run."""
