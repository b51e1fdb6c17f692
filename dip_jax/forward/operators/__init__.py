"""Forward operators: how a measurement is made of an image. A file for each."""
