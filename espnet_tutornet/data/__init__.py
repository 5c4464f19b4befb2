"""Kaldi data directories, made of what people have. Nothing here imports torch."""
