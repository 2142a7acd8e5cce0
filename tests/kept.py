"""The studies that the repository keeps, as files."""

from pathlib import Path

from bakeoff.runs.store import Store
from bakeoff.storage import PackedStorage

STUDIES = Path(__file__).parents[1] / "studies"


def unpack(name: str, folder: Path, only: str = "") -> None:
    """Write the files of a kept store whose keys begin so, as they were before the store was packed."""
    storage = Store(STUDIES / name).storage
    assert isinstance(storage, PackedStorage)
    for entry in storage.everything():
        if entry.key.startswith(only) and entry.key != "store.json":
            data = storage.unpacked(entry.key)
            assert data is not None
            (folder / entry.key).parent.mkdir(parents=True, exist_ok=True)
            (folder / entry.key).write_bytes(data)
