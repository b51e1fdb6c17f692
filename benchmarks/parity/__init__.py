"""The network, its gradients and its steps beside plain PyTorch."""
