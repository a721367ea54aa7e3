"""What computes: tokens to batches, and batches to figures."""
