"""What several seeds gain."""
