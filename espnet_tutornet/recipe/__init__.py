"""What the recipe does outside the network: data, tokens, scores and tables.

Nothing here imports torch or ESPnet, so that each command starts at once.
"""
