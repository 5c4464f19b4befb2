"""Adapters bring the student's width to the teacher's; dropped after training."""

from torch import Tensor, nn

from espnet_tutornet.utils.config import choose


class ConvAdapter(nn.Module):
    """1-D convolution over frames, same length out.

    Args:
        student_size: input width.
        teacher_size: output width.
        kernel_size: odd number of frames.
    """

    def __init__(self, student_size: int, teacher_size: int, kernel_size: int):
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv1d(student_size, teacher_size, kernel_size, padding=padding)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, T, D_student) to (B, T, D_teacher)."""
        return self.conv(hidden.transpose(1, 2)).transpose(1, 2)


def _no_adapter(student_size: int, teacher_size: int) -> nn.Module:
    if student_size != teacher_size:
        raise ValueError(
            f"adapter 'none' needs equal widths, got student {student_size} and "
            f"teacher {teacher_size}. Use adapter: linear."
        )
    return nn.Identity()


ADAPTERS = {
    "linear": nn.Linear,
    "conv1": lambda student, teacher: ConvAdapter(student, teacher, kernel_size=1),
    "conv3": lambda student, teacher: ConvAdapter(student, teacher, kernel_size=3),
    "none": _no_adapter,
}


def build_adapter(name: str, student_size: int, teacher_size: int) -> nn.Module:
    """Build the adapter ``name`` from student width to teacher width.

    Args:
        name: a key of ``ADAPTERS``.
        student_size: student width.
        teacher_size: teacher width.

    Returns:
        Module that maps (B, T, D_student) to (B, T, D_teacher).

    Raises:
        ValueError: unknown name; ``none`` with widths that differ.

    Example:
        >>> build_adapter("linear", 4, 8)
        Linear(in_features=4, out_features=8, bias=True)
    """
    return choose("adapter", ADAPTERS, name)(student_size, teacher_size)
