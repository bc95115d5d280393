"""Walking through a folder of images: what lies in it, and what is passed over.

Hidden files are passed over; so are those that operating systems and disks put beside pictures, and
what we have written ourselves. Links are followed out of the data, never back into it.
"""

import collections
import itertools
import os
import pathlib
from collections.abc import Iterable, Sequence

from tl_strategies.data.faults import raise_machine_fault, reason
from tl_strategies.directories import MARK, is_ours
from tl_strategies.output import shown

# In lower case, since the systems that write them do not tell cases apart.
SYSTEMS = frozenset(
    (
        # Synology, QNAP, NetApp
        *("@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@transcode"),
        *("#recycle", "#snapshot", "~snapshot"),
        # macOS, as other systems see it
        *("__macosx", "network trash folder", "temporary items", "icon\r", "resource.frk"),
        # Windows
        *("$recycle.bin", "recycle.bin", "recycler", "system volume information", "found.000"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),
        *("zbthumbnail.info", "pspbrwse.jbf", "_vti_cnf"),
        # Linux, Android, Python
        *("lost+found", "lost.dir", "__pycache__"),
    )
)
EXAMPLES = 3  # names in a note


class Walk:
    """Looks through a folder, and remembers what it passed over.

    Args:
        root: the folder, by its absolute path.

    Attributes:
        left_out: path and reason of what could not be read or leads back.
    """

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.left_out: list[tuple[str, str]] = []
        self._systems: collections.Counter[str] = collections.Counter()
        self._ours: list[pathlib.Path] = []
        real = root.resolve()
        self._around = {real, *real.parents}  # folders that hold a class
        self._classes: set[pathlib.Path] = set()

    def look(self, directory: pathlib.Path) -> tuple[list[pathlib.Path], list[str]]:
        """The folders in a directory and the paths of the files, in the order of their names."""
        try:
            with os.scandir(directory) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            raise_machine_fault(error)
            why = f"a folder that cannot be read: {reason(error, str(directory))}"
            self.left_out.append((str(directory), why))
            return [], []
        marked = any(entry.name == MARK for entry in entries)
        if marked and directory != self.root and is_ours(directory):
            self._ours.append(directory)
            return [], []
        folders, files = [], []
        for entry in entries:
            if entry.name.lower() in SYSTEMS:
                self._systems[entry.name] += 1
            elif entry.name.startswith("."):
                continue
            elif _is_folder(entry):
                folders.append(pathlib.Path(entry.path))
            else:
                files.append(entry.path)
        return folders, files

    def classes(self, folders: Iterable[pathlib.Path]) -> dict[pathlib.Path, list[str]]:
        """The files below each of some folders, at any depth, in the order of their paths.

        A folder that holds nothing but what we have written ourselves is not among them.
        """
        real = {f: f.resolve() for f in folders if not (f.is_symlink() and self._leads_back(f))}
        self._classes = set(real.values())
        self._around |= set(itertools.chain(*(folder.parents for folder in self._classes)))
        found = {}
        for folder, own in real.items():
            ours, left_out = len(self._ours), len(self.left_out)
            files = self._files(folder, own)
            if files or len(self._ours) == ours or len(self.left_out) > left_out:
                found[folder] = files
        return found

    def notes(self) -> tuple[str, ...]:
        """What was passed over, in words."""
        notes = []
        if self._systems:
            some = [f"{count} {name.strip()}" for name, count in self._systems.most_common()]
            notes.append(f"passed over: {_some(some)}, which systems put beside pictures")
        if self._ours:
            some = [os.path.relpath(directory, self.root) for directory in sorted(self._ours)]
            notes.append(f"passed over: {_some(some)}, written by tl-strategies")
        return tuple(map(shown, notes))

    def _files(self, folder: pathlib.Path, own: pathlib.Path) -> list[str]:
        found, seen, folders, links = [], set(), [folder], []
        while folders or links:  # links last: a file is listed by its own path
            directory = (folders or links).pop()
            identity = _identity(directory)
            if identity in seen:
                continue
            seen.add(identity)
            inside, files = self.look(directory)
            found += files
            for path in inside:
                if not os.path.islink(path):  # noqa: PTH114 (too long a path is none)
                    folders.append(path)
                elif _identity(path) not in seen and not self._leads_back(path, own):
                    links.append(path)
        return sorted(found)

    def _leads_back(self, link: pathlib.Path, own: pathlib.Path | None = None) -> bool:
        """Whether a link leads to a folder that holds a class, or into a class but its own."""
        target = link.resolve()
        elsewhere = self._classes.intersection((target, *target.parents)) - {own}
        if target not in self._around and not elsewhere:
            return False
        self.left_out.append((str(link), "a link to a folder whose images are listed elsewhere"))
        return True


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself; decoding will say it
        return False


def _identity(directory: pathlib.Path) -> object:
    try:
        status = directory.stat()
    except OSError:  # looking into it will say why
        return directory
    return status.st_dev, status.st_ino


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more
