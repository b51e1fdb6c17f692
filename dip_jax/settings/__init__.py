"""A configuration: the tasks' defaults, what may be set, what it makes, what it takes."""
