"""What was observed of a picture, and how near an image is to it."""
