"""What is taken for a picture, and that nothing outside what was named is read."""

import io
import os
import tarfile
import zipfile

import pytest
from searching import picture

from mini_o3 import UserError
from mini_o3.finding import archives
from mini_o3.finding.sources import list_sources


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def png(seed=1):
    content = io.BytesIO()
    picture(seed).save(content, "PNG")
    return content.getvalue()


def put(*paths):
    for number, path in enumerate(paths):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(png(number))


def names(*places):
    with list_sources(places, skip=os.path.abspath("hits")) as sources:
        return [source.name for source in sources.pictures], dict(sources.left_out), sources.bad


def test_a_folder_in_the_order_people_count(here):
    put("p/shot10.png", "p/shot2.png", "p/b/1.jpg", "p/no_suffix")
    (here / "p/notes.txt").write_text("text")
    (here / "p/.hidden.png").write_bytes(png())
    assert names("p") == (
        ["p/no_suffix", "p/shot2.png", "p/shot10.png", "p/b/1.jpg"],
        {".txt files": 1, "hidden files and folders": 1},
        {},
    )


def test_a_pattern_finds_what_is_below(here):
    put("p/a.png", "p/b/c.png", "p/b/d.jpg")
    assert names("p/**/*.png")[0] == ["p/a.png", "p/b/c.png"]
    with pytest.raises(UserError, match=r"p/\*\.gif: fits no file"):
        names("p/*.gif")


def test_links_are_followed_inside_only(here):
    put("p/a.png", "p/deep/b.png", "secret/c.png")
    os.symlink("../secret", "p/out")
    os.symlink("../secret/c.png", "p/out.png")
    os.symlink("deep/b.png", "p/inside.png")
    os.symlink("..", "p/deep/loop")
    os.symlink("nowhere", "p/broken.png")
    found, left_out, bad = names("p")
    assert found == ["p/a.png", "p/inside.png", "p/deep/b.png"]
    assert left_out == {"links that lead outside": 2}
    assert bad == {"p/broken.png": "p/broken.png: cannot be read (No such file or directory)"}


def test_a_pattern_follows_no_link_out_of_its_folder(here):
    put("p/a.png", "secret/c.png")
    os.symlink("../secret/c.png", "p/out.png")
    os.symlink("../secret", "p/folder")
    assert names("p/*.png") == (["p/a.png"], {"links that lead outside": 1}, {})
    assert names("p/**/*.png")[0] == ["p/a.png"]


def test_a_link_that_was_named_is_what_it_leads_to(here):
    put("secret/c.png")
    os.symlink("secret", "door")
    assert names("door")[0] == ["door/c.png"]


def test_only_regular_files_are_opened(here):
    put("p/a.png")
    os.mkfifo("p/pipe.png")
    assert names("p") == (["p/a.png"], {"devices, pipes and sockets": 1}, {})
    assert names("p/a.png", "p/pipe.png")[2] == {
        "p/pipe.png": "p/pipe.png: is a device or a pipe; give a regular file"
    }


def test_what_is_named_twice_is_searched_once(here):
    put("p/a.png")
    assert names("p", "p/a.png", "p/*.png")[0] == ["p/a.png"]


def test_pages_and_frames_are_pictures_of_their_own(here):
    pages = [picture(number) for number in range(3)]
    pages[0].save("scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save("loop.gif", save_all=True, append_images=pages[1:2])
    pages[0].save("one.png")
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.write("scan.tif")
    found = names(".")[0]
    assert found == [
        *("./loop.gif#1", "./loop.gif#2", "./one.png"),
        *(f"./p.zip!/scan.tif#{number}" for number in (1, 2, 3)),
        *(f"./scan.tif#{number}" for number in (1, 2, 3)),
    ]
    with list_sources(["scan.tif", "p.zip"], skip=here / "hits") as sources:
        for source, page in zip(sources.pictures, [*pages, *pages], strict=True):
            assert source.picture().image.tobytes() == page.tobytes()
    assert names("scan.tif#2")[0] == ["scan.tif#2"]


def test_a_folder_of_tiles_is_no_folder_of_pictures(here):
    put("p/a.dzi", "p/a_files/0/0_0.png", "p/b_files/c.png")
    assert names("p")[0] == ["p/a.dzi", "p/b_files/c.png"]


def test_nothing_there_is_one_line(here):
    (here / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no picture there"):
        names("empty")
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        names("nowhere")


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_members_of_archives_are_read_without_unpacking(here, ending):
    path = f"p.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("b.png", "/etc/a.png", "../up.png", "notes.txt", "__MACOSX/._b.png"):
                archive.writestr(name, png())
    else:
        kind = {"tar": "", "tgz": "gz"}.get(ending, ending[4:])
        with tarfile.open(path, f"w:{kind}") as archive:
            for name in ("b.png", "/etc/a.png", "../up.png", "notes.txt", "__MACOSX/._b.png"):
                info = tarfile.TarInfo(name)
                info.size = len(png())
                archive.addfile(info, io.BytesIO(png()))
            for kind, name in ((tarfile.SYMTYPE, "link.png"), (tarfile.LNKTYPE, "hard.png")):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "/etc/passwd"
                archive.addfile(info)
    with list_sources([path], skip=here / "hits", scratch=here) as sources:
        assert [source.name for source in sources.pictures] == [
            f"{path}!/../up.png",
            f"{path}!//etc/a.png",
            f"{path}!/b.png",
        ]
        assert sources.left_out == {".txt files": 1, "hidden files and folders": 1}
        for source in sources.pictures:
            assert source.picture().image.tobytes() == picture(1).tobytes()
    assert os.listdir(here) == [path]


def test_a_bomb_is_not_unpacked(here, monkeypatch):
    monkeypatch.setattr(archives, "_MORE", 1_000_000)
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", png())
        for number in range(5):
            archive.writestr(f"b{number}.png", bytes(2_000_000))
    with tarfile.open("bomb.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("b.png")
        info.size = 30_000_000
        archive.addfile(info, io.BytesIO(bytes(30_000_000)))
    put("good.png")
    found, _, bad = names("bomb.zip", "bomb.tar.gz", "good.png")
    assert found == ["bomb.zip!/a.png", "bomb.zip!/b0.png", "good.png"]
    assert bad == {
        "bomb.zip": "bomb.zip: unpacks to too many times its size; the rest of it is not searched",
        "bomb.tar.gz": "bomb.tar.gz: unpacks to more than 100 times its size; it is not searched",
    }


def test_a_member_larger_than_it_says_is_cut_to_what_it_says(here):
    """The sizes that bound an archive are the ones that bound reading, too."""
    with zipfile.ZipFile("p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(50_000_000))
    content = (here / "p.zip").read_bytes()
    size = (50_000_000).to_bytes(4, "little")
    (here / "p.zip").write_bytes(content.replace(size, (1000).to_bytes(4, "little")))
    with list_sources(["p.zip"], skip=here / "hits") as sources, pytest.raises(UserError) as error:
        sources.pictures[0].picture()
    assert str(error.value).startswith("p.zip!/a.png: ")


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_a_damaged_archive_is_named_and_the_rest_goes_on(here, ending):
    put("good.png")
    with open(f"bad.{ending}", "wb") as file:
        file.write(b"this is no archive" * 100)
    found, _, bad = names(f"bad.{ending}", "good.png")
    assert found == ["good.png"]
    assert list(bad) == [f"bad.{ending}"]


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_a_tar_that_is_cut_off_gives_what_came_before(here, kind):
    path = "p.tar.gz" if kind == "w:gz" else "p.tar"
    with tarfile.open(path, kind) as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(png(number))
            archive.addfile(info, io.BytesIO(png(number)))
    content = (here / path).read_bytes()
    (here / path).write_bytes(content[: int(len(content) * 0.5)])
    with list_sources([path], skip=here / "hits") as sources:
        assert sources.pictures[0].picture().image.tobytes() == picture(0).tobytes()
        assert path in sources.bad


def test_an_encrypted_member_is_one_line(here):
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.writestr("a.png", png())
    content = bytearray((here / "p.zip").read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (here / "p.zip").write_bytes(content)
    with list_sources(["p.zip"], skip=here / "hits") as sources, pytest.raises(UserError) as error:
        sources.pictures[0].picture()
    assert str(error.value) == "p.zip!/a.png: is encrypted; unpack it yourself and give the folder"
