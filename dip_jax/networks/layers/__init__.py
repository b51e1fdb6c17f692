"""What networks are made of: pure functions of one image, with gradients of their own."""
