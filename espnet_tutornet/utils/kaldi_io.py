"""The library for Kaldi archives; the one module that imports it.

ESPnet 202511 brings kaldiio, ESPnet 202611 omniio in its place: the same functions,
the same bytes.
"""

try:
    from omniio import kaldi as kaldi_io
except ImportError:
    import kaldiio as kaldi_io

__all__ = ["kaldi_io"]
