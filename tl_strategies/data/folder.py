"""A folder of images: the name of a sub-folder is the label of what lies in it, at any depth.

Sub-folders that are called like parts, such as train, Testing or val2017, hold such folders each.
Hidden files are passed over; so are those that operating systems and disks put beside pictures, and
what we have written ourselves. Links are followed out of the data, never back into it.
"""

import collections
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from tl_strategies.data.left_out import raise_machine_fault, reason
from tl_strategies.data.listing import Listing
from tl_strategies.data.part_names import parts_notes, parts_of
from tl_strategies.directories import MARK, is_ours
from tl_strategies.errors import UsageError
from tl_strategies.output import shown
from tl_strategies.task import Task

SYSTEMS = {  # in lower case, since the systems that write them do not tell cases apart
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
}
EXAMPLES = 3  # names in a note


def list_folder(path: str | os.PathLike, source: str | None = None) -> Listing:
    """List the files below a folder's sub-folders; `source` is what to call it."""
    root = pathlib.Path(path).expanduser().absolute()
    source = source or f"folder:{path}"
    try:
        os.scandir(root).close()
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        what = {FileNotFoundError: "it does not exist", NotADirectoryError: "it is not a folder"}
        raise UsageError(
            f"--dataset folder:PATH must be a folder that you can read. Received: {root}: "
            f"{what.get(type(error)) or reason(error, str(root))}."
        ) from error
    walk = _Walk(root)
    folders, loose = walk.look(root)
    part = parts_of(folder.name for folder in folders)
    files = walk.classes(folder for folder in folders if folder.name not in part)
    if part:
        _check_parts(root, part, [folder.name for folder in files])
        inside = [walk.look(folder) for folder in folders if folder.name in part]
        files = walk.classes(folder for classes, _ in inside for folder in classes)
        loose += [file for _, others in inside for file in others]
    names = sorted({folder.name for folder in files})
    if len(names) < 2:
        beside = f", and {len(loose)} files beside" if loose else ""
        raise UsageError(
            f"{source} must hold a sub-folder for each class, at least two. Received: "
            f"{f'one, {names[0]!r}' if names else 'none'}{beside}. Put the images of each class "
            f"into a folder of its own, such as {root / 'cats' / 'photo.jpg'}; or name the folder "
            "that holds such ones."
        )
    each = [len(found) for found in files.values()]
    labels = np.array([names.index(folder.name) for folder in files], "int64")
    return Listing(
        source=source,
        paths=tuple(path for found in files.values() for path in found),
        labels=np.repeat(labels, each),
        task=Task(tuple(names)),
        parts=np.repeat([part[folder.parent.name] for folder in files], each) if part else None,
        left_out=(*((path, "not in a class's sub-folder") for path in loose), *walk.left_out),
        notes=(*walk.notes(), *parts_notes(part)),
    )


def _check_parts(root: pathlib.Path, part: dict[str, str], others: list[str]) -> None:
    """Refuse part folders with others beside them, without a second part, or two for one part."""
    listed = ", ".join(part)
    train = next((name for name in part if part[name] == "train"), next(iter(part)))
    if others:
        beside = ", ".join(others[:5])
        raise UsageError(
            f"Folders called like parts must be the only ones in {root}. Received: {listed}, and "
            f"beside them {beside}. Take {beside} out of {root}, or use folder:{root / train}; if "
            f"{listed} are classes, give them other names, or list the images in csv:FILE."
        )
    if len(set(part.values())) < len(part):
        received = ", ".join(f"{name} for {stands_for}" for name, stands_for in part.items())
        raise UsageError(
            f"There must be one folder for each part in {root}. Received: {received}. Put them "
            "together, or take one out."
        )
    if "train" not in part.values() or len(part) < 2:
        raise UsageError(
            "Folders called like parts must be one for training and at least one other, for test "
            f"or validation. Received: only {listed} in {root}. To split its images anew use "
            f"folder:{root / train}."
        )


class _Walk:
    """Looks through a folder, given by its absolute path, and remembers what it passed over."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.left_out: list[tuple[str, str]] = []  # what could not be read or leads back, and why
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
        self._around.update(*(folder.parents for folder in self._classes))
        found = {}
        for folder, own in real.items():
            ours, left_out = len(self._ours), len(self.left_out)
            files = self._files(folder, own)
            if files or len(self._ours) == ours or len(self.left_out) > left_out:
                found[folder] = files
        return found

    def notes(self) -> list[str]:
        """What was passed over, in words."""
        systems = [f"{count} {name.strip()}" for name, count in self._systems.most_common()]
        ours = [os.path.relpath(directory, self.root) for directory in sorted(self._ours)]
        passed_over = [(systems, "which systems put beside pictures")]
        passed_over += [(ours, "written by tl-strategies")]
        notes = []
        for names, what in passed_over:
            more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
            some = ", ".join(names[:EXAMPLES]) + more
            notes += [shown(f"passed over: {some}, {what}")] if names else []
        return notes

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
