"""A configuration becomes a work directory."""
