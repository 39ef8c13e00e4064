"""The server with the models in the folder `examples`, which are installed and run as anybody's are.

What the models need comes from the packages that scripts/install-tools keeps, without a network. Environments stay from one run to the next; all else that a
run leaves is gone when the next one begins.
"""

import shutil
from pathlib import Path

from server import REPOSITORY, Server

NAMES = ("hello", "picture", "storyteller", "tunable", "wordcount")
FOLDER = REPOSITORY / "examples"
DATA = REPOSITORY / "target" / "clients" / "python"
WHEELS = REPOSITORY / "target" / "tools" / "cog-0.23.1" / "wheels"
# The first start makes the environment.
START_SECONDS = 300


def serve_examples() -> Server:
    assert WHEELS.is_dir(), f"{WHEELS} is missing: run scripts/install-tools clients"
    remove_all_but_environments(DATA)
    models = [argument for name in NAMES for argument in ("--model", f"acme/{name}={FOLDER / name}")]
    return Server(*models, data_dir=DATA, variables=without_network(), start_seconds=START_SECONDS)


def without_network() -> dict[str, str]:
    """For pip and for uv."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(WHEELS)}


def remove_all_but_environments(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name == "environments":
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
