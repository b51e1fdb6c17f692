"""Forward operators: what happens to an image on its way to what is measured. A file for each."""
