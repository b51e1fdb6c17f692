"""One fit, pure: what stays, what a step changes, and the step."""
