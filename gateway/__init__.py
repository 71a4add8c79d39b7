"""The deduction gateway: cards in, splits and postings out."""

__version__ = "0.1.0"
