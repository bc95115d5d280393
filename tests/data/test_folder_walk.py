"""What lies in a folder beside its images: passed over, left out, followed or not, and said."""

import errno
import os
import pathlib

import pytest

import tl_strategies as tl
from tl_strategies.data.folder import list_folder
from tl_strategies.directories import make_directory


@pytest.fixture
def root(tmp_path):
    """Two classes of three files each; nothing is decoded here."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "photos" / name / f"{i}.jpg").touch()
    return tmp_path / "photos"


def put(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listed(root):
    """Paths from the root, by class."""
    listing = list_folder(root)
    return {
        name: [
            str(pathlib.Path(path).relative_to(root))
            for path, label in zip(listing.paths, listing.labels, strict=True)
            if label == number
        ]
        for number, name in enumerate(listing.task.names)
    }


PLAIN = {name: [f"{name}/{i}.jpg" for i in range(3)] for name in ("a", "b")}


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "@EADIR", "#recycle", "@Recycle", "#snapshot", "__MACOSX", "$RECYCLE.BIN"),
        *("System Volume Information", "lost+found", "__pycache__", ".ipynb_checkpoints"),
        *(".AppleDouble", ".thumbnails", ".Trash-1000"),
    ],
)
def test_folders_of_systems(root, name):
    put(root / name / "x.jpg", root / "a" / name / "0.jpg" / "thumb.jpg")
    put(root / "b" / "deep" / name / "x.jpg", root / "b" / "deep" / "y.jpg")
    assert listed(root) == {**PLAIN, "b": [*PLAIN["b"], "b/deep/y.jpg"]}
    notes = list_folder(root).notes
    assert notes == (
        () if name[0] == "." else (f"passed over: 3 {name}, which systems put beside pictures",)
    )


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "._0.jpg", "Icon\r", ".DS_Store"])
def test_files_of_systems(root, name):
    put(root / name, root / "a" / name)
    listing = list_folder(root)
    assert (len(listing.paths), listing.left_out) == (6, ())


def test_many_names_of_systems_are_one_note(root):
    put(*(root / name / "x" for name in ("@eaDir", "__MACOSX", "lost+found", "#recycle")))
    (note,) = list_folder(root).notes
    assert "and 1 more" in note


def mark(directory):
    make_directory(directory)
    (directory / "confusion.png").touch()
    put(directory / "figures" / "worst.png")


@pytest.mark.parametrize("where", ["run", "runs/1", "a/run", "runs/deep/1"])
def test_what_we_write_is_no_image(root, where):
    mark(root / where)
    assert listed(root) == PLAIN
    assert list_folder(root).notes == (f"passed over: {where}, written by tl-strategies",)


def test_many_runs_are_one_note(root):
    for i in range(5):
        mark(root / "runs" / f"{i}")
    (note,) = list_folder(root).notes
    assert note == "passed over: runs/0, runs/1, runs/2 and 2 more, written by tl-strategies"


def test_runs_beside_parts(root, tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            put(tmp_path / "parts" / part / name / "0.jpg")
    mark(tmp_path / "parts" / "runs" / "1")
    assert set(list_folder(tmp_path / "parts").parts) == {"train", "test"}


def test_a_marked_folder_may_itself_be_read(root, tmp_path):
    root.rename(tmp_path / "elsewhere")
    make_directory(root)
    for folder in (tmp_path / "elsewhere").iterdir():
        folder.rename(root / folder.name)
    assert listed(root) == PLAIN


def test_an_empty_folder_is_a_class_without_images(root):
    (root / "c").mkdir()
    with pytest.raises(tl.UsageError, match="'c' with 0"):
        list_folder(root).check_counts()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("a/loop", ".."),
        ("a/loop", "../.."),
        ("a/loop", "/"),
        ("a/other", "../b"),
        ("a/other", "../b/deep"),
        ("all", "."),
        ("all", ".."),
    ],
)
def test_links_that_lead_back(root, link, target):
    put(root / "b" / "deep" / "x.jpg")
    (root / link).symlink_to(target)
    assert listed(root) == {**PLAIN, "b": [*PLAIN["b"], "b/deep/x.jpg"]}
    why = "a link to a folder whose images are listed elsewhere"
    assert list_folder(root).left_out == ((str(root / link), why),)


@pytest.mark.parametrize("target", [".", "../a", "deep"])
def test_a_folder_reached_twice_is_read_once(root, target):
    put(root / "a" / "deep" / "x.jpg")
    (root / "a" / "again").symlink_to(target)
    assert listed(root) == {**PLAIN, "a": [*PLAIN["a"], "a/deep/x.jpg"]}
    assert list_folder(root).left_out == ()


@pytest.mark.parametrize("link", ["c", "a/more"])
def test_links_out_of_the_data_are_followed(root, tmp_path, link):
    put(tmp_path / "elsewhere" / "deep" / "x.jpg")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    (root / link).symlink_to(tmp_path / "elsewhere")
    found = [path for paths in listed(root).values() for path in paths]
    assert f"{link}/deep/x.jpg" in found
    assert len(found) == 7
    assert [path for path, _ in list_folder(root).left_out] == [str(root / link / "back")]


def test_links_to_nothing_and_to_themselves_are_files(root):
    (root / "a" / "x.jpg").symlink_to("nowhere")
    (root / "a" / "y.jpg").symlink_to("y.jpg")
    assert listed(root)["a"] == [*PLAIN["a"], "a/x.jpg", "a/y.jpg"]


@pytest.fixture
def broken_folder(root, monkeypatch):
    """A folder in a class that cannot be listed, for a reason to be chosen."""
    put(root / "a" / "deep" / "x.jpg")
    scan = os.scandir

    def choose(number):
        def scandir(path):
            if str(path).endswith("deep"):
                raise OSError(number, os.strerror(number), str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return choose


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_read_is_said(root, broken_folder, number):
    broken_folder(number)
    ((path, why),) = list_folder(root).left_out
    assert path == str(root / "a" / "deep")
    assert why.startswith("a folder that cannot be read: ")


def test_no_more_open_files_is_not_the_folder_s_fault(root, broken_folder):
    broken_folder(errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        list_folder(root)


@pytest.fixture
def deep(root):
    """A class's folder with one 3,000 deep in it, deeper than a path can name."""
    descriptor = os.open(root / "a", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    yield root
    top, rest = root / "a" / "d", root / "a" / "rest"
    while (top / "d").exists():  # shutil.rmtree would recurse
        (top / "d").rename(rest)
        top.rmdir()
        rest.rename(top)


def test_a_folder_three_thousand_deep(deep):
    ((_, why),) = list_folder(deep).left_out
    assert why == "a folder that cannot be read: File name too long"


@pytest.mark.parametrize("name", ["missing", "a/0.jpg", "nul\0", "x" * 5000])
def test_no_folder(root, name):
    with pytest.raises(tl.UsageError, match="must be a folder"):
        list_folder(root / name)


def test_a_loose_file_may_have_any_name(root):
    (root / os.fsdecode(b"in\xffvalid\n")).touch()
    ((_, why),) = list_folder(root).left_out
    assert why == "not in a class's sub-folder"
