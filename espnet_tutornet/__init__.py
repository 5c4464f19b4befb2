"""TutorNet knowledge distillation for ESPnet (Yoon et al., arXiv 2008.00671)."""

__version__ = "0.1.0"
