"""How fast a step is, beside the same step in PyTorch."""
