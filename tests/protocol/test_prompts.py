"""Prompt profiles: four texts, filled in once, with a hash."""

import pytest
from PIL import Image

from mini_o3.episode import Turn, opening, response
from mini_o3.kit.errors import UserError
from mini_o3.protocol import Fault, Malformed, PromptProfile, Zoom, load_profile
from mini_o3.vision import Region

TEXTS = {
    "system": "Search.",
    "question": "<image>\nQ: {question}",
    "observation": "{source} is number {number}:<image>",
    "correction": "{kind}: {detail}",
}


def folder(path, **changes):
    path.mkdir()
    for part, text in {**TEXTS, **changes}.items():
        (path / f"{part}.txt").write_text(text, encoding="utf-8")
    return str(path)


VIEW = Image.new("RGB", (28, 28))


def asked(profile, question):
    """The parts of the first user message."""
    return opening(profile, question, [VIEW])[1].parts


def observed(profile, number):
    return response(profile, Turn("", Zoom(Region(0, 0, 1, 1)), observation=number), VIEW, number).parts


def corrected(profile, kind, detail):
    return response(profile, Turn("", Malformed(kind, detail)), None, 1).parts


@pytest.mark.parametrize("name", ["search", "nano"])
def test_shipped_profiles_load(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.system
    assert asked(profile, "Where?").count(VIEW) == 1
    assert observed(profile, 1).count(VIEW) == 1
    assert VIEW not in corrected(profile, Fault.BAD_JSON, "Mend it.")
    assert "<image>" not in profile.system


def test_the_search_profile_says_what_the_parser_wants():
    system = load_profile("search").system
    for word in (
        "<think>",
        "</think>",
        "<grounding>",
        "</grounding>",
        "<answer>",
        "</answer>",
        "bbox_2d",
        "original_image",
    ):
        assert word in system


def test_gaps_are_filled_in_their_place(tmp_path):
    profile = load_profile(folder(tmp_path / "own"))
    assert profile.name == "own"
    assert asked(profile, "Where?") == (VIEW, "\nQ: Where?")
    assert observed(profile, 3) == ("observation_3 is number 3:", VIEW)
    assert corrected(profile, Fault.TOO_THIN, "Wider.") == ("too thin: Wider.",)


@pytest.mark.parametrize("name", ["search", "nano"])
@pytest.mark.parametrize(
    "question",
    [
        "What is {number}?",
        "What is {question}?",
        "{question}",
        "{source} {kind} {detail} {} {0} {{question}} %s",
        "What does <image> say?",
        "<image>",
        "<image><image>",
        "a\nb",
        "",
    ],
)
def test_a_question_comes_through_as_it_is_and_adds_no_view(name, question):
    profile = load_profile(name)
    system, user = opening(profile, question, [VIEW])
    assert system.parts == (profile.system,)
    assert [part for part in user.parts if isinstance(part, Image.Image)] == [VIEW]
    words = "".join(part for part in user.parts if isinstance(part, str))
    assert words == profile.question.replace("<image>", "").replace("{question}", question)


def test_a_detail_comes_through_as_it_is():
    (said,) = corrected(load_profile("search"), Fault.BAD_BOX, "Use {kind}, not {detail}.")
    assert "(bad box). Use {kind}, not {detail}. Think" in said


@pytest.mark.parametrize("name", ["no-such-profile", "", "search/nothing", "/nowhere/at/all"])
def test_an_unknown_profile_is_refused_and_the_shipped_ones_are_listed(name):
    with pytest.raises(UserError) as caught:
        load_profile(name)
    assert "shipped profiles: deepeyes, direct, nano, pixel_reasoner, qwen2_5_vl, qwen3_vl, search" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", TEXTS)
def test_a_profile_without_one_of_its_texts_is_refused(tmp_path, part):
    name = folder(tmp_path / "part")
    (tmp_path / "part" / f"{part}.txt").unlink()
    with pytest.raises(UserError, match=f"{part}.txt cannot be read"):
        load_profile(name)


def test_a_profile_that_is_not_text_is_refused(tmp_path):
    name = folder(tmp_path / "bytes")
    (tmp_path / "bytes" / "question.txt").write_bytes("Größe? <image>{question}".encode("latin-1"))
    with pytest.raises(UserError, match=r"question\.txt"):
        load_profile(name)


def test_the_hash_is_stable(tmp_path):
    first, again = load_profile(folder(tmp_path / "one")), load_profile(folder(tmp_path / "two"))
    assert first.hash == again.hash == PromptProfile(name="three", **TEXTS).hash
    assert len(first.hash) == 12
    assert int(first.hash, 16) >= 0


@pytest.mark.parametrize("part", TEXTS)
def test_the_hash_changes_with_any_text(tmp_path, part):
    plain = load_profile(folder(tmp_path / "plain"))
    changed = load_profile(folder(tmp_path / "changed", **{part: TEXTS[part] + " "}))
    assert changed.hash != plain.hash


def test_the_hash_knows_which_text_is_which():
    swapped = {**TEXTS, "system": TEXTS["correction"], "correction": TEXTS["system"]}
    moved = {**TEXTS, "system": "Search.<image>", "question": "\nQ: {question}"}
    hashes = {PromptProfile(name="p", **texts).hash for texts in (TEXTS, swapped, moved)}
    assert len(hashes) == 3


def test_one_line_end_at_the_end_of_a_file_does_not_count(tmp_path):
    ended = load_profile(folder(tmp_path / "ended", **{part: text + "\n" for part, text in TEXTS.items()}))
    assert ended.hash == PromptProfile(name="plain", **TEXTS).hash
    assert ended.question == TEXTS["question"]


def test_the_shipped_profiles_have_different_hashes():
    assert load_profile("search").hash != load_profile("nano").hash
