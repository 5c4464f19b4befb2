"""Teachers: load one, freeze it, ask it."""
