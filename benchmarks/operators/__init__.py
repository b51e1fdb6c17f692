"""What operators measured, and rivals that need no network."""
