"""The formats of picture files."""
