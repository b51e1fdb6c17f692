"""The untrained networks, whose structure is the prior."""
