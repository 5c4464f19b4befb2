"""The student model and what it learns from a teacher."""
