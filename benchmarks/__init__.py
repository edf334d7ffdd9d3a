"""Speed beside the peers, measured in one run and reported as ratios. Never a timed test."""
