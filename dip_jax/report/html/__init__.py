"""The page of a run: one file that loads nothing."""
