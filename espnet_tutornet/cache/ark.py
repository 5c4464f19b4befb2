"""Kaldi archives of compressed matrices, which Kaldi's own tools read, too."""

from pathlib import Path
from typing import Dict, Iterable, Tuple, Union

import numpy as np

from espnet_tutornet.utils.kaldi_io import kaldi_io

# Kaldi's compression methods (compressed-matrix.h): bytes a value, and what they keep.
TWO_BYTE_AUTO = 3  # 65536 steps from the matrix' least to its greatest value
TWO_BYTE_INTEGER = 4  # whole numbers in [-32768, 32767], exactly
ONE_BYTE_AUTO = 5  # 256 steps from the matrix' least to its greatest value
ONE_BYTE_INTEGER = 6  # whole numbers in [0, 255], exactly


def write_ark(
    path: Union[str, Path], matrices: Iterable[Tuple[str, np.ndarray]], method: int
) -> Dict[str, int]:
    """Write one archive.

    Args:
        path: the ``.ark`` to write.
        matrices: utterance id and float32 (T, C), one after the other.
        method: one of the compression methods above.

    Returns:
        Utterance id -> byte offset of its matrix, as an ``scp`` names it.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as f:
        ...     write_ark(f.name, [("utt1", np.eye(3))], TWO_BYTE_AUTO)
        {'utt1': 5}
    """
    offsets = {}
    with Path(path).open("wb") as f:
        for utt_id, matrix in matrices:
            offsets[utt_id] = f.tell() + len(utt_id.encode()) + 1
            kaldi_io.save_ark(
                f, {utt_id: np.asarray(matrix, np.float32)}, compression_method=method
            )
    return offsets


def read_matrix(path: Union[str, Path], offset: int) -> np.ndarray:
    """Read the matrix at ``offset`` of the archive ``path``, as float32 (T, C)."""
    return kaldi_io.load_mat(f"{path}:{offset}")
