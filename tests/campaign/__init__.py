"""Campaigns against files and processes: what the suite runs small, `make campaign` runs whole."""
