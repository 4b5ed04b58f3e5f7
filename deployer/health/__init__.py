"""Objects in, verdict and diagnosis out. Pure: nothing here talks to a cluster or reads a clock."""
