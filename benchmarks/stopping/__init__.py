"""How near to the best point a fit stops by itself."""
