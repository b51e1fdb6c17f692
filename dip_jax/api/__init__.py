"""The Python interface: an array in, the restored array out."""
