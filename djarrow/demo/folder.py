"""The folder of a demo: always a new one, so that no run touches what another left."""

from __future__ import annotations

import itertools
from pathlib import Path

from djarrow.errors import DemoError


def new_folder(wanted: Path) -> Path:
    """Make the folder, or where it exists the first free one of `wanted-2`, `wanted-3`, ...

    Raises DemoError where that is not possible.
    """
    for number in itertools.count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise DemoError(f"{folder} is a file. Name another folder with --folder.") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DemoError(f"The folder {folder} cannot be made: {reason}. Name another one with --folder.") from error
        else:
            return folder
    raise AssertionError  # there are more numbers than folders
