"""Other people's logs: each layout gives the episode that the same texts give here, and what cannot be read
is one line."""

from __future__ import annotations

import base64
import io
import json

import pytest
from helpers import answer, mini_o3, play, zoom
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mini_o3.episode import Limits, SearchTask, StopReason
from mini_o3.interop.logs.chat import Said, guess_dialect, read_rollout, split_chat
from mini_o3.interop.logs.read import read_log, replay
from mini_o3.judge import CORRECT, INCORRECT, judge_exact, make_judge
from mini_o3.kit.errors import UserError
from mini_o3.policies.replay import Replay
from mini_o3.vision import Rect

QUESTION = "What is on the sign?"
TEXTS = [
    zoom(0.5, 0.5, 1.0, 1.0),
    zoom(0.2, 0.2, 1.5, 0.9),
    zoom(0.0, 0.0, 0.5, 0.5, "observation_1"),
    answer("a red fox"),
]
RECTS = [Rect(400, 200, 800, 400), None, Rect(400, 200, 600, 300), None]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "pictures" / "street.png"
    path.parent.mkdir()
    Image.new("RGB", (800, 400), "navy").save(path)
    return path


def ours(picture, texts=TEXTS, limits=None):
    return play(Replay({"*": list(texts)}), Image.open(picture).convert("RGB"), limits=limits)


def read(log, tmp_path, **options):
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return read_log(log, tmp_path / "scratch", **options)


def assert_same(row, picture, texts=TEXTS, limits=None):
    """The episode says, sees and ends as one that was played here with the same texts."""
    expected = ours(picture, texts, limits)
    facts = [
        (turn.text, turn.action, turn.thought, turn.observation, turn.rect, turn.shown)
        for turn in row.episode.turns
    ]
    assert facts == [(t.text, t.action, t.thought, t.observation, t.rect, t.shown) for t in expected.turns]
    assert (row.episode.stop, row.episode.answer, row.episode.size) == (
        expected.stop,
        expected.answer,
        expected.size,
    )


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def traj(folder, picture, texts=TEXTS, **head):
    folder.mkdir(parents=True)
    Image.open(picture).convert("RGB").save(folder / "original_image.jpg")
    for number in range(1, sum("<grounding>" in text for text in texts) + 1):
        (folder / f"observation_{number}_original_image.jpg").touch()
    begin = {
        "doc_id": folder.name,
        "initial_prompt": f"<image>\n{QUESTION}",
        "ground_truth": "A red fox.",
        **head,
    }
    turns = [{"turn_idx": number, "text_output": text} for number, text in enumerate(texts)]
    return lines(folder / "traj.jsonl", begin, *turns[:2], {"error_info": "Bad box"}, *turns[2:])


# Mini-o3


def test_a_mini_o3_log(picture, tmp_path):
    log = read(traj(tmp_path / "run" / "7_0", picture), tmp_path)
    (row,) = log.rows
    assert_same(row, picture)
    assert [turn.rect for turn in row.episode.turns] == RECTS
    assert row.episode.turns[1].malformed.kind == "outside"
    assert (log.layout, log.dialect, row.episode.question, row.verdict) == (
        "Mini-o3",
        "mini_o3 (guessed)",
        QUESTION,
        CORRECT,
    )
    assert row.episode.meta["notes"] == [
        "The log tells of an error: Bad box",
        "The log holds 3 observations, by the rules here there are 2: after the difference boxes may be off.",
    ]


def test_a_folder_of_mini_o3_logs_with_its_figures(picture, tmp_path):
    for name in ("10_0", "10_1", "9_0"):
        traj(tmp_path / "run" / name, picture, doc_id=name.split("_")[0])
    (tmp_path / "run" / "stats.json").write_text('{"pass_at_k": {"visual_probe_hard": 0.5}}')
    log = read(tmp_path / "run", tmp_path)
    assert [row.task.name for row in log.rows] == ["9", "10", "10"]
    assert [row.episode.seed for row in log.rows] == [0, 0, 1]
    assert len({row.task.id for row in log.rows}) == 2  # two samples of one question
    assert log.figures == {"stats.json.pass_at_k.visual_probe_hard": 0.5}


def test_searches_that_share_a_file_are_told_apart(picture, tmp_path):
    path = traj(tmp_path / "0", picture)
    path.write_text(path.read_text() * 2)
    rows = read(path, tmp_path).rows
    assert len(rows) == 2
    for row in rows:
        assert_same(row, picture)
        assert "2 searches share this file; the pictures are those of the last." in row.episode.meta["notes"]


# OpenAI messages


def data_url(picture):
    buffer = io.BytesIO()
    Image.open(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def messages(reference, texts=TEXTS):
    parts = [{"type": "image_url", "image_url": {"url": reference}}, {"type": "text", "text": QUESTION}]
    chat = [{"role": "system", "content": "You look."}, {"role": "user", "content": parts}]
    for text in texts:
        chat += [
            {"role": "assistant", "content": text},
            {"role": "user", "content": "This is observation_1."},
        ]
    return chat[:-1]


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("wrap", [list, lambda chat: {"messages": chat}, lambda chat: [{"messages": chat}]])
def test_openai_messages(picture, tmp_path, embedded, wrap):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(wrap(messages(data_url(picture) if embedded else "pictures/street.png"))))
    (row,) = read(path, tmp_path).rows
    assert_same(row, picture)
    assert row.episode.question == QUESTION
    assert row.verdict.cause == "no expected answer"


def test_messages_line_by_line_share_embedded_pictures(picture, tmp_path):
    path = lines(
        tmp_path / "chats.jsonl",
        *({"messages": messages(data_url(picture)), "answer": a} for a in ("fox", "hen")),
    )
    rows = read(path, tmp_path).rows
    assert rows[0].episode.picture == rows[1].episode.picture
    assert {row.verdict.cause for row in rows} == {
        "other words, and no judge was asked"
    }  # they may mean the same
    judged = read(path, tmp_path, judge=make_judge("exact")).rows
    assert [row.verdict for row in judged] == [INCORRECT, INCORRECT]


def test_calls_that_the_endpoint_parsed_and_another_dialect(picture, tmp_path):
    call = {
        "name": "image_zoom_in_tool",
        "arguments": json.dumps({"bbox_2d": [500, 500, 1000, 1000], "img_idx": 0}),
    }
    chat = messages("pictures/street.png", ["", "<answer>fox</answer>"])
    chat[2] = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "there",
        "tool_calls": [{"function": call}],
    }
    chat[3] = {"role": "tool", "content": [{"type": "image_url", "image_url": {"url": "none.png"}}]}
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(chat))
    log = read(path, tmp_path)
    assert log.dialect == "qwen3_vl (guessed)"
    (row,) = log.rows
    assert row.episode.turns[0].rect == Rect(400, 200, 800, 400)
    assert row.episode.turns[0].thought == "there"
    assert row.episode.answer == "fox"


# verl


def chatml(texts=TEXTS):
    view = "<|vision_start|><|image_pad|><|vision_end|>"
    head = f"<|im_start|>system\nLook.<|im_end|>\n<|im_start|>user\n{view}{QUESTION}"
    seen = "<|im_end|>\n<|im_start|>user\nThis is it.<|im_end|>\n<|im_start|>assistant\n"
    return (
        f"{head}<|im_end|>\n<|im_start|>assistant\n",
        seen.join(texts) + "<|im_end|><|endoftext|><|endoftext|>",
    )


def bare(texts=TEXTS):
    return f"system\nLook.\nuser\n{QUESTION}\nassistant\n", "\nuser\nThis is it.\nassistant\n".join(texts)


@pytest.mark.parametrize("told", [chatml, bare])
def test_verl_rollouts(picture, tmp_path, told):
    prompt, output = told()
    rows = [
        {"input": prompt, "output": output, "gts": "hen", "score": score, "step": 3}
        for score in (1.0, 0.0, 0.9)
    ]
    log = read(lines(tmp_path / "dump" / "3.jsonl", *rows), tmp_path, picture=picture)
    for row in log.rows:
        assert_same(row, picture)
        assert row.episode.question == QUESTION
    assert [row.verdict.kind for row in log.rows] == ["correct", "incorrect", "unjudged"]
    assert log.rows[2].verdict.reason == "a score that says neither: 0.9"
    assert read(tmp_path / "dump", tmp_path, picture=picture).layout == "verl"


def test_pictures_by_name(picture, tmp_path):
    prompt, output = chatml()
    row = {"input": prompt, "output": output, "gts": "fox", "score": 1}
    path = lines(
        tmp_path / "1.jsonl", {**row, "image_path": "/far/away/street.png"}, {**row, "doc_id": "street"}
    )
    assert [row.episode.picture for row in read(path, tmp_path, pictures=picture.parent).rows] == [
        str(picture)
    ] * 2


def test_a_template_that_opens_the_thought(picture):
    prompt, output = chatml(["I look</think><answer>fox</answer>"])
    chat = read_rollout(prompt + "<think>", output)
    assert chat[-1] == Said("assistant", "<think>I look</think><answer>fox</answer>")
    assert [said.role for said in chat] == ["system", "user", "assistant"]


@settings(max_examples=50)
@given(
    st.lists(st.text("ab<>{}/ é", min_size=1, max_size=12).map(lambda t: f"({t})"), min_size=1, max_size=4)
)
def test_texts_come_out_of_a_rollout_as_they_went_in(texts):
    for told in (chatml, bare):
        assert [said.text for said in read_rollout(*told(texts)) if said.role == "assistant"] == texts


@given(st.text())
def test_any_text_can_be_split(text):
    assert all(said.role in ("system", "user", "assistant") for said in split_chat(text))


# Endings, dialects, our own records


@pytest.mark.parametrize(
    ("texts", "limits", "stop"),
    [
        (["hm", "hm", "hm"], Limits(), StopReason.VOID),
        (TEXTS[:3], Limits(turns=3), StopReason.TURN_LIMIT),
        ([TEXTS[0], "hm", TEXTS[0], "hm", "hm"], Limits(), StopReason.VOID),
    ],
)
def test_endings_are_those_of_our_own_episodes(picture, texts, limits, stop):
    episode = replay(SearchTask("p", "q"), texts, "mini_o3", Image.open(picture).convert("RGB"))
    assert episode.stop is ours(picture, texts, limits).stop is stop
    assert len(episode.turns) == len(texts)


def test_turns_after_the_answer_are_told_of(picture, tmp_path):
    (row,) = read(traj(tmp_path / "0", picture, [answer("a red fox"), answer("a hen")]), tmp_path).rows
    assert row.episode.answer == "a red fox"
    assert "1 further turns follow in the log after the answer." in row.episode.meta["notes"]


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (TEXTS[0], "mini_o3"),
        ("<answer>x</answer>", "mini_o3"),
        ("It is a fox.", "direct"),
        ("so \\boxed{fox}", "pixel_reasoner"),
        (
            '<tool_call>{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [1, 2, 30, 40]}}</tool_call>',
            "deepeyes",
        ),
        (
            '{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [1, 2, 1300, 40], "img_idx": 0}}',
            "qwen2_5_vl",
        ),
    ],
)
def test_dialects_are_guessed(text, dialect):
    assert guess_dialect([text]) == dialect


def test_our_own_records(picture, tmp_path):
    episode = play(
        Replay({"*": TEXTS}),
        Image.open(picture).convert("RGB"),
        SearchTask("street.png", QUESTION, "A red fox"),
    )
    path = lines(picture.parent / "episodes.jsonl", episode.to_dict())
    (row,) = read(path, tmp_path).rows
    assert_same(row, picture)
    assert row.verdict == judge_exact(episode, "A red fox") == CORRECT
    assert row.episode.picture == str(picture)


# What cannot be read


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("traj.jsonl", "", "traj.jsonl"),
        ("traj.jsonl", '{"initial_prompt": "q"}\n', "line 1: no turn follows"),
        ("traj.jsonl", '{"initial_prompt": "q"}\n{"text_out', "line 2: not valid JSON"),
        (
            "traj.jsonl",
            '{"initial_prompt": "q"}\n{"turn_idx": 0, "text_output": 3}\n',
            "line 2: text_output is not text",
        ),
        (
            "traj.jsonl",
            '{"turn_idx": 0, "text_output": "a"}\n',
            "line 1: comes before a line with initial_prompt",
        ),
        (
            "traj.jsonl",
            '{"initial_prompt": "q"}\n{"text_output": "a"}\n',
            "line 1: its picture original_image.jpg is not there",
        ),
        (
            "1.jsonl",
            '{"input": "q", "output": "a"}\n{"input": "q"}\n',
            "line 1: it does not tell its picture; give the file as `picture`",
        ),
        ("a.json", "[1, 2", "not valid JSON (Expecting"),
        ("a.json", '{"what": 1}', "record 1: of no layout that is known"),
        ("a.json", '[{"role": "user", "content": "q"}]', "record 1: nobody answers in it"),
        (
            "a.json",
            '[{"role": "user", "content": "q"}, {"role": "jester"}]',
            "record 1: message 2 has no role that is known",
        ),
        (
            "a.json",
            '[{"role": "user", "content": {"a": 1}}]',
            "record 1: message 1 has a content that is neither",
        ),
        (
            "a.json",
            json.dumps(messages("https://example.org/a.png")),
            "record 1: its picture https://example.org/a.png is",
        ),
        (
            "a.json",
            json.dumps(messages("data:image/png;base64,***")),
            "record 1: the picture in its data URL cannot be read",
        ),
        ("a.json", json.dumps(messages("data:image/png;base64,aGVsbG8=")), "not a picture that can be read"),
        ("episodes.jsonl", '{"task_id": "a", "turns": []}\n', "line 1: is not an episode"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_line(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError) as failed:
        read(path, tmp_path)
    assert said in str(failed.value)
    assert str(tmp_path) in str(failed.value)
    assert "\n" not in str(failed.value)


def test_bytes_that_are_no_text_and_folders_without_logs(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a\.json: is not text in UTF-8"):
        read(tmp_path / "a.json", tmp_path)
    with pytest.raises(UserError, match="no log in it"):
        read(tmp_path, tmp_path)
    with pytest.raises(UserError, match="no such file or folder"):
        read(tmp_path / "nowhere", tmp_path)


def test_the_command(picture, tmp_path):
    traj(tmp_path / "run" / "7", picture)
    done = mini_o3("report", "run", "--out", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("page.html: 1 of 1 episodes")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert '"box": [400, 200, 600, 300]' in page
    failed = mini_o3("report", "run/7/traj.jsonl", "--picture", "none.png", cwd=tmp_path)
    assert (failed.returncode, failed.stderr) == (2, "error: --picture none.png: no such file\n")


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think><answer>red</answer><|im_end|>",
        "<think>a</think><answer>red</answer></s>\n",
        "a</think><answer>red</answer>",  # the chat template wrote the opening tag
    ],
)
def test_what_servers_leave_around_a_turn_is_no_fault_of_the_turn(text):
    episode = replay(SearchTask("some.png", "What colour?"), [text], "mini_o3", Image.new("RGB", (60, 40)))
    assert (episode.stop, episode.answer, episode.turns[0].thought) == (StopReason.ANSWERED, "red", "a")
