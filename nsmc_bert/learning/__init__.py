"""How a classifier comes to be what it is."""
