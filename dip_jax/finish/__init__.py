"""From the fits to the picture that is given."""
