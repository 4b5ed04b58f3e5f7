"""Get one service safely through dev, test and prod."""

__version__ = "0.1.0"
