"""Teachers' outputs on disk."""
