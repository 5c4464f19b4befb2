"""Processes that do not outlive the one that started them."""

import ctypes
import os
import signal
import sys


def die_with(parent: int) -> None:
    """Ask Linux to end this process when the one that started it is killed.

    Args:
        parent: its process id; if it has ended already, this one ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(1)
