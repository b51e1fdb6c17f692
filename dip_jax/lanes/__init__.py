"""Many fits on devices."""
