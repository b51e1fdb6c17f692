"""How good the results are, beside what else there is."""
