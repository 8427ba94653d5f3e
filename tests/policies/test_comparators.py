"""Other systems as policies: a whole search of each in its own dialect, over a real server, and how one asks
for it."""

import asyncio
import base64
import io
import json

import pytest
from fake_endpoint import Endpoint, says
from helpers import answer, play, recording, zoom
from PIL import Image

from mini_o3.episode import Limits, SearchTask, StopReason, run_episode
from mini_o3.kit.errors import UserError
from mini_o3.kit.metering import Meter
from mini_o3.kit.text import with_thought_opened
from mini_o3.models.shipped import NANO_DIR
from mini_o3.policies.load import load_policy
from mini_o3.policies.metered import Metered
from mini_o3.policies.spec import PolicySpec
from mini_o3.probes.shapes import make_probe
from mini_o3.protocol import Zoom, load_profile
from mini_o3.protocol.dialects import DIALECTS
from mini_o3.vision import PixelBudget, Rect

PICTURE = Image.new("RGB", (2800, 1400), "red")
PICTURE.paste("lime", (1400, 0, 2800, 700))
TASK = SearchTask("some.png", "What is on the sign?", options=("a fish", "a bird"))
ASKED = "What is on the sign?\nA. a fish\nB. a bird"
FORM = (
    "Think first, call **image_zoom_in_tool** where you need to see more, then answer. Keep strictly to the"
    " form: <think>...</think> <tool_call>...</tool_call> (only to look closer) <answer>...</answer>"
)
SHORTLY = (
    "Look closer where that helps. When you are sure, give the answer, as short as the question allows,"
    " within <answer></answer>."
)


def tool(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def zoom_in(*box, **more):
    return tool("image_zoom_in_tool", bbox_2d=list(box), label="sign", **more)


def crop(*box, image):
    return tool("crop_image_normalized", bbox_2d=list(box), target_image=image)


def heard(request):
    """The messages of a request, every picture as its (width, height)."""
    messages = []
    for message in request.body["messages"]:
        content = message["content"]
        parts = [content] if isinstance(content, str) else [_part(part) for part in content]
        messages.append((message["role"], *parts))
    return messages


def _part(part):
    if part["type"] == "text":
        return part["text"]
    data = part["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True))).size


def search(dialect, *replies, limits=None, max_pixels=None):
    """The episode that these replies lead to, and the requests that came in."""
    with Endpoint(*map(says, replies)) as endpoint:
        policy = load_policy(
            PolicySpec(f"api:{endpoint.url}#some-model", dialect=dialect, max_pixels=max_pixels)
        )
        return play(policy, PICTURE, TASK, limits=limits), endpoint.requests


# What every system is sent, word for word, in a search of two looks and an answer; what it looks at on the
# way.
SEARCHES = {
    "deepeyes": (
        [
            f"<think>far</think>{zoom_in(1400, 0, 2800, 700)}",
            zoom_in(1400, 0, 1700, 300),
            "<answer>a bird</answer>",
        ],
        [Rect(1400, 0, 2800, 700), Rect(1400, 0, 1700, 300)],
        [
            ("user", (2800, 1400), f"{ASKED}\n{FORM}"),
            ("user", "<tool_response>", (1400, 700), f"\n{FORM}</tool_response>"),
            ("user", "<tool_response>", (308, 308), f"\n{FORM}</tool_response>"),
        ],
    ),
    "pixel_reasoner": (
        [
            f"It is far.\n{crop(0.6, 0.1, 0.9, 0.4, image=1)}",
            crop(0.5, 0.5, 0.6, 0.6, image=2),
            "It is $\\boxed{a bird}$.",
        ],
        [Rect(1400, 0, 2800, 700), Rect(1960, 280, 2380, 490)],
        [
            (
                "user",
                (2800, 1400),
                (
                    f"{ASKED}\n\nGuidelines: Look at the picture with the question in mind, and decide"
                    " whether looking closer helps; you can look closer with `crop_image_normalized`. Reason"
                    " step by step from what you see, and put the final answer within \\boxed{}."
                ),
            ),
            ("user", "\nThis is the part you asked for (Image Size: 1400x700):", (1400, 700)),
            ("user", "\nThis is the part you asked for (Image Size: 644x308):", (644, 308)),
        ],
    ),
    "qwen3_vl": (
        [
            f"Far.</think>\n{zoom_in(500, 0, 1000, 500, img_idx=0)}",
            zoom_in(500, 500, 600, 600, img_idx=1),
            "A bird: \\boxed{a bird}",
        ],
        [Rect(1400, 0, 2800, 700), Rect(2100, 350, 2240, 420)],
        [
            ("user", (2816, 1408), f"{ASKED}\n{SHORTLY}"),
            ("user", "<tool_response>\n", (1408, 704), "\n</tool_response>"),
            ("user", "<tool_response>\n", (736, 352), "\n</tool_response>"),
        ],
    ),
    "qwen2_5_vl": (
        [
            zoom_in(1400, 0, 2800, 700, img_idx=0),
            zoom_in(700, 350, 840, 420, img_idx=1),
            "<answer>a bird</answer>",
        ],
        [Rect(1400, 0, 2800, 700), Rect(2100, 350, 2240, 420)],
        [
            ("user", (2800, 1400), f"Picture 0 is 2800x1400 pixels.\n{ASKED}\n{SHORTLY}"),
            ("user", "<tool_response>\n", (1400, 700), "Picture 1 is 1400x700 pixels.\n</tool_response>"),
            ("user", "<tool_response>\n", (140, 56), "Picture 2 is 140x56 pixels.\n</tool_response>"),
        ],
    ),
}


@pytest.mark.parametrize("dialect", SEARCHES)
def test_a_whole_search_in_the_words_of_its_own_system(dialect):
    replies, rects, said = SEARCHES[dialect]
    episode, requests = search(dialect, *replies)
    replies = [with_thought_opened(reply) for reply in replies]  # also in the history that is sent back
    assert (episode.stop, episode.answer, episode.policy) == (StopReason.ANSWERED, "a bird", "api:some-model")
    assert [turn.rect for turn in episode.turns] == [*rects, None]
    assert [turn.text for turn in episode.turns] == replies
    profile = load_profile(dialect)
    assert episode.profile == f"{dialect}@{profile.hash}"
    conversation = [("system", profile.system)]
    for index, request in enumerate(requests):
        conversation.append(said[index])
        assert heard(request) == conversation
        conversation.append(("assistant", replies[index]))
    assert len(requests) == 3


def test_a_model_without_tools_answers_in_its_one_turn():
    episode, requests = search("direct", "I see a bird, so I say B.")
    assert (episode.stop, episode.answer, episode.num_turns) == (
        StopReason.ANSWERED,
        "I see a bird, so I say B.",
        1,
    )
    assert [heard(request) for request in requests] == [
        [
            ("system", "You answer a question about a picture."),
            (
                "user",
                (1988, 980),
                f"\n{ASKED}\nGive the answer, as short as the question allows, within <answer></answer>.",
            ),
        ]
    ]


@pytest.mark.parametrize("dialect", [None, "mini_o3"])
def test_a_chat_model_with_tools_is_taught_mini_o3(dialect):
    episode, requests = search(dialect, zoom(0.5, 0, 1, 0.5), answer("a bird"))
    assert (episode.answer, episode.turns[0].rect) == ("a bird", Rect(1400, 0, 2800, 700))
    assert heard(requests[0])[0] == ("system", load_profile("search").system)


ERRORS = {
    "deepeyes": (
        zoom_in(10, 10, 20, 20),
        "Error: Both sides of the box must be more than 30 pixels; make it larger.",
        "<answer>a bird</answer>",
    ),
    "pixel_reasoner": (
        crop(0.1, 0.1, 0.2, 0.2, image=2),
        "\nExecution error:\nThere is no picture with target_image 2; they go from 1 to 1.\n",
        "\\boxed{a bird}",
    ),
    "qwen3_vl": (
        zoom_in(500, 500, 100, 100, img_idx=0),
        (
            "<tool_response>\nError: The box is empty or outside the picture: x1 must be less than x2, and y1"
            " less than y2.\n</tool_response>"
        ),
        "<answer>a bird</answer>",
    ),
    "qwen2_5_vl": (
        "<tool_call>{}</tool_call>",
        (
            "<tool_response>\nError: The call needs the fields name and arguments, and arguments must be an"
            " object.\n</tool_response>"
        ),
        "a bird",
    ),
}


@pytest.mark.parametrize("dialect", ERRORS)
def test_a_call_that_fails_is_told_so_in_the_words_of_its_own_system(dialect):
    bad, told, good = ERRORS[dialect]
    episode, requests = search(dialect, bad, good)
    assert (episode.answer, episode.num_turns) == ("a bird", 2)
    assert heard(requests[1])[-1] == ("user", told)


def test_a_turn_ends_with_its_first_action_in_every_dialect():
    made_up = "\nThe crop shows a fish. <answer>a fish</answer>"
    for dialect in ("deepeyes", "qwen3_vl", "qwen2_5_vl"):
        look = zoom_in(0, 0, 500, 500, img_idx=0)
        episode, requests = search(dialect, look + made_up, "<answer>a bird</answer>")
        assert (episode.answer, episode.num_zooms) == ("a bird", 1)
        assert heard(requests[1])[2] == ("assistant", look)


def test_an_answer_that_was_cut_off_is_asked_for_again():
    with Endpoint(says("I see a street and", "length"), says("a bird")) as endpoint:
        episode = play(load_policy(PolicySpec(f"api:{endpoint.url}#m", dialect="direct")), PICTURE, TASK)
        told = heard(endpoint.requests[1])[-1]
    assert (episode.turns[0].malformed.kind, episode.answer) == ("unfinished", "a bird")
    assert told == ("user", "Your turn was too long and was cut off; be brief.")


def test_which_pixels_deepeyes_means_is_an_option_that_matters_once_the_view_is_smaller():
    look, sure = zoom_in(700, 0, 1400, 350), "<answer>a bird</answer>"
    stored, requests = search("deepeyes", look, sure, max_pixels=1400 * 700)
    shown, _ = search("deepeyes-shown", look, sure, max_pixels=1400 * 700)
    assert heard(requests[0])[1][1] == (1400, 700)
    assert stored.turns[0].rect == Rect(700, 0, 1400, 350)
    assert shown.turns[0].rect == Rect(1400, 0, 2800, 700)


def test_the_quirk_of_pixel_reasoner_is_an_option():
    look, sure = crop(0.6, 0.6, 1.0, 1.0, image=1), "\\boxed{a bird}"
    plain, _ = search("pixel_reasoner", look, sure)
    quirk, _ = search("pixel_reasoner-quirk", look, sure)
    assert plain.turns[0].rect == Rect(1400, 700, 2800, 1400)
    assert quirk.turns[0].rect == Rect(0, 0, 281, 141)


def test_what_wraps_a_policy_need_not_know_of_dialects():
    with Endpoint(says(zoom_in(1400, 0, 2800, 700)), says("<answer>a bird</answer>")) as endpoint:
        policy = Metered(load_policy(PolicySpec(f"api:{endpoint.url}#m", dialect="deepeyes")), Meter())
        episode = asyncio.run(run_episode(TASK, policy, Limits(), picture=PICTURE))
    assert (episode.answer, episode.turns[0].rect) == ("a bird", Rect(1400, 0, 2800, 700))


def test_a_local_checkpoint_speaks_the_dialect_it_is_asked_in():
    """nano knows Mini-o3 only: listened to as DeepEyes, it says the same, is not stopped at its own closing
    tag, and is not
    understood."""
    own = load_policy(PolicySpec(f"hf:{NANO_DIR}", prompts="nano"))
    other = load_policy(PolicySpec(f"hf:{NANO_DIR}", prompts="nano", dialect="deepeyes"))
    assert (own.profile.dialect, own.sampling.stops) == ("mini_o3", ("</grounding>", "</answer>"))
    assert (other.profile.dialect, other.sampling.stops) == ("deepeyes", ("</tool_call>", "</answer>"))
    assert (
        other.budget == own.budget
    )  # what a checkpoint says of itself goes before what the dialect would like
    probe, limits = make_probe(500_000_120, "easy", size=(1400, 1400)), Limits(turns=1, void_retries=0)
    zoomed, lost = (play(policy, probe.picture, probe.task, limits=limits) for policy in (own, other))
    assert isinstance(zoomed.turns[0].action, Zoom)
    assert lost.turns[0].text.startswith(zoomed.turns[0].text)
    assert (lost.stop, lost.turns[0].malformed.kind in ("no_action", "unfinished")) == (StopReason.VOID, True)


def test_a_recording_is_played_in_the_dialect_it_was_made_in(tmp_path):
    file = recording(tmp_path / "episodes.jsonl", zoom_in(1400, 0, 2800, 700), "<answer>a bird</answer>")
    episode = play(load_policy(PolicySpec(f"replay:{file}", dialect="deepeyes")), PICTURE, TASK)
    assert (episode.answer, episode.turns[0].rect) == ("a bird", Rect(1400, 0, 2800, 700))


def test_a_dialect_has_prompts_and_sizes_of_its_own_and_both_can_be_changed(tmp_path):
    api = "api:http://127.0.0.1:9/v1#m"
    policy = load_policy(PolicySpec(api, dialect="pixel_reasoner"))
    assert (policy.profile.name, policy.profile.dialect, policy.budget) == (
        "pixel_reasoner",
        "pixel_reasoner",
        PixelBudget(4_014_080, 200_704),
    )
    assert load_policy(PolicySpec(api, dialect="qwen3_vl", max_pixels=500_000)).budget == PixelBudget(
        500_000, 262_144, multiple=32
    )
    assert load_policy(PolicySpec(api, dialect="pixel_reasoner", max_pixels=100_000)).budget == PixelBudget(
        100_000, 100_000
    )
    assert load_policy(PolicySpec(api, prompts="deepeyes")).profile.dialect == "deepeyes"
    shown = load_policy(PolicySpec(api, prompts="deepeyes", dialect="deepeyes-shown"))
    assert shown.profile.dialect == "deepeyes-shown"
    assert shown.profile.hash != load_profile("deepeyes").hash  # so that records of the two can be told apart
    for part in ("system", "question", "observation", "correction"):
        (tmp_path / f"{part}.txt").write_text("<image>{question}" if part == "question" else "own words")
    own = load_policy(PolicySpec(api, prompts=str(tmp_path), dialect="deepeyes"))
    assert (own.profile.system, own.profile.dialect) == ("own words", "deepeyes")
    assert load_policy(api).budget == load_policy(PolicySpec(api, dialect="mini_o3")).budget == PixelBudget()


@pytest.mark.parametrize("policy", ["nano", "human", "teacher"])
def test_who_speaks_mini_o3_only_is_not_asked_for_more(policy):
    with pytest.raises(UserError, match=f"dialect deepeyes: {policy} speaks mini_o3 only"):
        load_policy(PolicySpec(policy, dialect="deepeyes"))
    if policy != "teacher":
        assert load_policy(PolicySpec(policy, dialect="mini_o3")).profile.dialect == "mini_o3"


def test_prompts_of_another_dialect_are_nothing_for_a_person():
    with pytest.raises(UserError, match="human speaks mini_o3 only"):
        load_policy(PolicySpec("human", prompts="qwen3_vl"))


def test_nano_keeps_its_own_prompts_when_its_own_dialect_is_named():
    assert load_policy(PolicySpec("nano", dialect="mini_o3")).profile.name == "nano"


def test_an_unknown_dialect_is_one_line_that_lists_the_known_ones():
    with pytest.raises(UserError) as refused:
        load_policy(PolicySpec("api:http://127.0.0.1:9/v1#m", dialect="klingon"))
    assert str(refused.value).endswith("choose one of " + ", ".join(DIALECTS))
    assert "\n" not in str(refused.value)
