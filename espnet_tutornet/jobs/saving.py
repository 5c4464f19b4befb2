"""Keep ESPnet's checkpoints whole when a training is killed or the disk fills up."""

import os
from pathlib import Path
from typing import Any, Union

import torch

from espnet_tutornet.utils.files import atomic_write

_torch_save = torch.save


def save_whole() -> None:
    """Let ``torch.save`` be :func:`save` in this process.

    ESPnet overwrites ``checkpoint.pth`` in place: half a file, and the training cannot
    be resumed. It also writes ``<epoch>epoch.pth`` after the checkpoint that counts the
    epoch: killed between the two, the resumed training misses that file when it
    averages. With this, the epoch's parameters are there before its checkpoint is.
    """
    torch.save = _save_in_order


def save(obj: Any, f: Union[str, os.PathLike, Any], *args, **kwargs) -> None:
    """Save as ``torch.save`` does, but replace a file at once, or leave the old one.

    Args:
        obj: what to save.
        f: path, or a file object, which is written as it is.
        args: those of ``torch.save``.
        kwargs: those of ``torch.save``.

    Raises:
        OSError: the file cannot be written; the message names it and the reason.
    """
    if not isinstance(f, (str, os.PathLike)):
        _torch_save(obj, f, *args, **kwargs)
        return
    try:
        with atomic_write(f, "wb") as opened:
            _torch_save(obj, opened, *args, **kwargs)
    except (OSError, RuntimeError) as error:
        # torch hides the system's reason behind a complaint about positions
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise OSError(
            f"cannot write {f}: {reason}. What was there is unharmed. Free some space, "
            "then run it again."
        ) from error


def _save_in_order(obj: Any, f: Union[str, os.PathLike, Any], *args, **kwargs) -> None:
    if isinstance(f, (str, os.PathLike)) and Path(f).name == "checkpoint.pth":
        epoch = obj["reporter"]["epoch"]
        save(obj["model"], Path(f).with_name(f"{epoch}epoch.pth"))
    save(obj, f, *args, **kwargs)
