"""The state of a run in progress as files, so that whatever happens to a file costs some time and never the run."""

from pathlib import PurePath

from bakeoff.engine import tensors
from bakeoff.engine.state import State
from bakeoff.engine.tensors import Damaged
from bakeoff.events import CheckpointNotKept, CheckpointSetAside, tell
from bakeoff.storage import File


class Checkpoint:
    """Two generations of a run's state: two files that take turns, so that the one before the newest is there too.

    file: the first of them; "c-2.safetensors" is the second of "c.safetensors". run: its id, which stands in the files:
    another run's are never taken.
    """

    def __init__(self, file: File, run: str = "") -> None:
        key = PurePath(file.key)
        self.files = (file, File(file.storage, str(key.with_name(f"{key.stem}-2{key.suffix}"))))
        self.run = run
        self._next = 0  # which file is written next
        self._told = False

    def save(self, state: State) -> None:
        """Write a state in one piece, in place of the older one.

        Where that can't be done, as on a full disk, the older one stays, it is told once (`events.CheckpointNotKept`),
        and training goes on: a checkpoint saves time, and is never worth a run.
        """
        file = self.files[self._next]
        try:
            file.write(tensors.packed(state.tensors(), {"run": self.run, **state.about()}))
        except OSError as error:
            if not self._told:
                tell(CheckpointNotKept(str(file), (error.strerror or str(error)).lower(), state.step))
            self._told = True
            return
        self._next = 1 - self._next

    def restore(self, state: State) -> None:
        """Bring a fresh state of the same plan to where it was kept last: the newest generation that is whole.

        One that is damaged in any way, or of another run, is set aside and told of (`events.CheckpointSetAside`); where
        none is left the state stays as it is.
        """
        damaged: list[tuple[File, str]] = []
        for which, file in enumerate(self.files):
            try:
                if self._load(file, state):
                    self._next = 1 - which
            except Damaged as reason:
                damaged.append((file, str(reason)))
        for file, why in damaged:
            aside = file.move(f"{file.key}.damaged")
            tell(CheckpointSetAside(str(file), why, str(aside), state.step))

    def remove(self) -> None:
        """Forget the state of a run that has ended."""
        for file in self.files:
            file.delete()

    def _load(self, file: File, state: State) -> bool:
        """Take the state that a file has, if there is one that is newer."""
        data = tensors.read(file, state.expected(), state.most_beside)
        if data is None:
            return False
        found, about = tensors.unpacked(data)
        if about.get("run") != self.run:
            raise Damaged("it is of another run")
        state.check(found, about)
        if about["step"] <= state.step:
            return False
        state.load(found, about)
        return True
