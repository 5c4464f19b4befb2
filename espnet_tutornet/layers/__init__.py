"""Small torch-only layers: adapters, frame alignment, taps on hidden layers."""
