"""Real data that tests run on where it is at hand; nothing of it is part of the project."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def data(name: str) -> Path:
    """Give a file of the data folder; skip with the way to it where it is absent."""
    folder = os.environ.get("FLEXSPINE_DATA")
    place = Path(folder) if folder else ROOT.parent / "shared" / "data"
    path = place / name
    if not path.exists():
        pytest.skip(f"needs {name} of the data folder: set FLEXSPINE_DATA to that folder")
    return path
