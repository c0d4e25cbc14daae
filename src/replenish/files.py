"""Whole files or none: write to a temporary file beside the target, then rename."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

from replenish.errors import StorageError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part; returns the path.

    Missing folders are created. Raises `StorageError` when the place cannot be written or is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, content)
    except OSError as error:
        raise StorageError(f"{target}: {_cause(error)} Nothing was written.") from error
    return target


def name_in_paths(name: str) -> str:
    """A shop's name as part of a file's name: signs with a meaning in paths become “_”."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]|^\.+', "_", name)


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _usual_mode())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _usual_mode() -> int:
    """The mode `open` would give a new file; `mkstemp` gives 0600, which hides the file from the shop's other users."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _cause(error: OSError) -> str:
    if error.errno in _NO_ROOM:
        return "the disk is full. Free some space and run again."
    return f"the file cannot be written ({error.strerror or error}). Check the folder and its permissions."
