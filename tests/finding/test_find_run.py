"""A search through many pictures: what comes of each, what is kept, and what is done once."""

import csv
import json
import shutil
import zipfile

import pytest
from searching import SeesRed, picture

from mini_o3 import UserError, find
from mini_o3.kit.metering import Budget, Meter


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder with a picture of every ending; paths are relative to the folder above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/more").mkdir(parents=True)
    picture(1, red=True).save("photos/a.png")
    picture(2).save("photos/b.png")
    picture(3, "#ff00ff").save("photos/fails.png")
    picture(4, "#00ffff").save("photos/stops.png")
    picture(5, "#ffff00").save("photos/unsure.png")
    picture(6, red=True).save("photos/more/c.png")
    return tmp_path


def rows(folder):
    return [json.loads(line) for line in (folder / "hits.jsonl").read_text().splitlines()]


def test_every_picture_gets_its_status_and_what_was_found_its_box(photos):
    found = find("red square", "photos", policy=SeesRed(), turns=4, out="hits", note=lambda line: None)
    status = {result.picture: result.status for result in found.results}
    assert status == {
        "photos/a.png": "found",
        "photos/more/c.png": "found",
        "photos/unsure.png": "gave_up",
        "photos/stops.png": "stopped",
        "photos/b.png": "not_found",
        "photos/fails.png": "failed",
    }
    assert [result.status for result in found.results][:2] == ["found", "found"]
    first = rows(photos / "hits")[0]
    assert first["evidence"] == {"fractions": [0.25, 0.25, 0.75, 0.75], "pixels": [40, 30, 120, 90]}
    assert first["answer"] == "red"
    assert found.results[-1].error == "the endpoint is down"
    assert found.status == "found"


def test_files_for_other_programs_say_the_same(photos):
    found = find("red square", "photos", policy=SeesRed(), turns=4, out="hits", note=lambda line: None)
    table = list(csv.DictReader((photos / "hits/hits.csv").open(newline="")))
    assert [row["picture"] for row in table] == [result.picture for result in found.results]
    assert [table[0][side] for side in ("left", "top", "right", "bottom")] == ["40", "30", "120", "90"]
    coco = json.loads((photos / "hits/coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    assert len(names) == 6
    assert {names[box["image_id"]] for box in coco["annotations"]} == {"photos/a.png", "photos/more/c.png"}
    assert coco["annotations"][0]["bbox"] == [40, 30, 80, 60]
    assert coco["categories"] == [{"id": 1, "name": "red square"}]


def test_a_second_start_asks_only_where_the_policy_failed(photos):
    find("red square", "photos", policy=SeesRed(), turns=4, out="hits", note=lambda line: None)
    picture(7, red=True).save("photos/new.png")
    policy = SeesRed()
    found = find("red square", "photos", policy=policy, turns=4, out="hits", note=lambda line: None)
    assert sorted(policy.asked) == ["photos/fails.png", "photos/new.png"]
    assert len(found.hits) == 3


def test_a_moved_picture_is_known_and_a_changed_one_is_not(photos):
    find("red square", "photos", policy=SeesRed(), turns=4, out="hits", note=lambda line: None)
    shutil.move("photos/a.png", "photos/z.png")
    picture(9, red=True).save("photos/b.png")
    policy = SeesRed()
    found = find("red square", "photos", policy=policy, turns=4, out="hits", note=lambda line: None)
    assert sorted(policy.asked) == ["photos/b.png", "photos/fails.png"]
    assert {hit.picture for hit in found.hits} == {"photos/z.png", "photos/b.png", "photos/more/c.png"}


def test_a_start_that_was_refused_is_no_obstacle(photos):
    (photos / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no picture there"):
        find("red square", "empty", policy=SeesRed(), out="hits")
    assert len(find("red square", "photos/a.png", policy=SeesRed(), out="hits").hits) == 1


def test_another_query_needs_another_folder(photos):
    find("red square", "photos/a.png", policy=SeesRed(), out="hits")
    with pytest.raises(UserError, match=r"hits: holds a search with other settings \(query, question\)"):
        find("blue square", "photos/a.png", policy=SeesRed(), out="hits")


def test_results_are_not_written_among_other_files(photos):
    with pytest.raises(UserError, match="photos: is not empty"):
        find("red square", "photos/a.png", policy=SeesRed(), out="photos")
    assert not (photos / "photos/find.json").exists()


def test_results_inside_the_searched_folder_are_not_searched(photos):
    for _ in range(2):
        found = find(
            "red square", "photos", policy=SeesRed(), turns=4, out="photos/hits", note=lambda line: None
        )
        assert len(found.results) == 6


def test_copies_are_searched_once(photos):
    shutil.copy("photos/a.png", "photos/again.png")  # the same content
    picture(1, red=True).resize((320, 240)).save("photos/larger.jpg", quality=80)  # the same picture
    picture(1).save("photos/almost.png")  # all the same but for what is looked for
    policy = SeesRed()
    found = find("red square", "photos", policy=policy, turns=4, out="hits", note=lambda line: None)
    copies = {result.picture: result.copy_of for result in found.results if result.copy_of}
    assert copies == {"photos/again.png": "photos/a.png", "photos/larger.jpg": "photos/a.png"}
    assert "photos/almost.png" in policy.asked
    larger = next(result for result in found.results if result.picture == "photos/larger.jpg")
    assert tuple(larger.box) == (80, 60, 240, 180)


def test_only_exact_copies_if_that_is_wanted(photos):
    shutil.copy("photos/a.png", "photos/again.png")
    picture(1, red=True).resize((320, 240)).save("photos/larger.jpg", quality=80)
    policy = SeesRed()
    find("red square", "photos", policy=policy, turns=4, out="hits", near=False, note=lambda line: None)
    assert "photos/larger.jpg" in policy.asked
    assert "photos/again.png" not in policy.asked


def test_bad_files_are_named_and_the_others_searched(photos):
    for number in range(10):
        (photos / f"photos/bad{number}.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (photos / "photos/notes.txt").write_text("nothing to see")
    notes = []
    found = find("red square", "photos", policy=SeesRed(), turns=4, out="hits", note=notes.append)
    assert [line.partition(":")[0] for line in notes] == [f"photos/bad{number}.jpg" for number in range(10)]
    bad = [result for result in found.results if "bad" in result.picture]
    assert len(bad) == 10
    assert all("not a picture that can be read" in result.error for result in bad)
    assert len(found.hits) == 2
    assert "10 could not be read" in found.lines()
    assert found.left_out == ("1 .txt files",)


def test_pictures_in_an_archive(photos):
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("photos/a.png", "deep/a.png")
        archive.write("photos/b.png", "../../b.png")
    found = find("red square", "photos.zip", policy=SeesRed(), out="hits")
    assert [(result.picture, result.status) for result in found.results] == [
        ("photos.zip!/deep/a.png", "found"),
        ("photos.zip!/../../b.png", "not_found"),
    ]
    assert not (photos.parent / "b.png").exists()


def test_a_budget_ends_it_and_a_larger_one_goes_on(photos):
    def search(policy, requests):
        meter = Meter(Budget(max_requests=requests))
        places = "photos/a.png", "photos/b.png", "photos/more"
        found = find("red square", *places, policy=policy, out="hits", meter=meter, concurrent=1)
        return found, meter

    found, meter = search(SeesRed(), 3)
    assert meter.requests == 3
    assert found.halted.startswith("the budget is spent (3 requests of 3)")
    assert not found.is_whole
    assert [result.picture for result in found.results if result.status != "failed"] == ["photos/a.png"]
    policy = SeesRed()
    found, meter = search(policy, 7)  # what was spent before counts
    assert "photos/a.png" not in policy.asked
    assert meter.requests == 7
    assert (found.is_whole, found.halted, len(found.hits)) == (True, None, 2)


def test_a_policy_that_always_fails_is_not_asked_for_ever(photos):
    for number in range(30):
        colour = 210 + number, 0, 255
        picture(number, colour).save(f"photos/magenta{number}.png")
    policy = SeesRed()
    found = find("red square", "photos/magenta*.png", policy=policy, out="hits", concurrent=1, near=False)
    assert len(policy.asked) == 20
    assert found.halted == (
        "the policy failed 20 times in a row (the endpoint is down); mend it, and the same search goes on"
    )
    assert (found.is_whole, found.status) == (False, "failed")


def test_only_the_first_pictures(photos):
    policy = SeesRed()
    find("red square", "photos", policy=policy, out="hits", limit=2)
    assert sorted(policy.asked) == ["photos/a.png", "photos/b.png"]


def test_the_sheet_opens_every_search_and_escapes_names(photos):
    shutil.copy("photos/a.png", "photos/<script>alert(1).png")
    shutil.rmtree("photos/more")
    found = find("<b>red</b>", "photos", policy=SeesRed(), turns=4, out="hits", note=lambda line: None)
    page = found.page.read_text()
    assert "<script" not in page
    assert "&lt;b&gt;red&lt;/b&gt;" in page
    for result in found.results:
        assert f'href="searches/{result.key}.html"' in page
        assert (photos / f"hits/searches/{result.key}.html").is_file()


def test_pages_of_hits_only(photos):
    found = find(
        "red square", "photos", policy=SeesRed(), turns=4, out="hits", pages="found", note=lambda line: None
    )
    pages = {path.stem for path in (photos / "hits/searches").glob("*.html")}
    assert pages == {result.key for result in found.hits}


def test_a_query_that_nano_cannot_know_is_refused_before_anything_is_loaded(photos):
    with pytest.raises(UserError, match="nano only knows the things of probes"):
        find("my keys", "photos", out="hits")
    assert not (photos / "hits").exists()


def test_an_example_needs_its_extra_and_top_needs_an_example(photos, monkeypatch):
    monkeypatch.setattr("mini_o3.kit.extras.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"looking for what is like photos/a.png needs torch, efficientnet"):
        find(
            "red square", "photos", policy=SeesRed(), out="hits", like="photos/a.png", note=lambda line: None
        )
    with pytest.raises(UserError, match="top: goes by the likeness to an example"):
        find("red square", "photos", policy=SeesRed(), out="hits", top=3)
