"""Files and arrays to images, and back."""
