"""What leaves a training: the exported student, its cost, its best path."""
