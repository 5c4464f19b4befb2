"""Alignment of words, error rates, and which differences are chance."""
