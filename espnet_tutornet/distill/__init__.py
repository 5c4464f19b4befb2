"""The terms of the loss, on aligned outputs of student and teacher."""
