"""Results of probing: what they are, and what may stand side by side."""
