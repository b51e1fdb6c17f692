"""From the picture that is given to what is fitted: what its noise is like, and what follows."""
