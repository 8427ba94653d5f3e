"""What the server refuses: foreign hosts and pages, wrong tokens, what is no picture, what lies elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from helpers import answer, mini_o3, refused
from PIL import Image
from web_client import png

from mini_o3.kit.errors import UserError


def test_only_requests_for_this_machine_and_of_its_own_pages(serve):
    served = serve()
    get = lambda **headers: served.client.get("/api/info", headers=headers).status_code  # noqa: E731
    assert get() == 200
    assert get(host="evil.example") == 421
    assert get(origin="http://evil.example") == 403
    assert get(**{"sec-fetch-site": "cross-site"}) == 403
    assert get(origin=served.url, **{"sec-fetch-site": "same-origin"}) == 200


def test_a_token_is_asked_for_everywhere_and_a_cookie_carries_it(serve):
    served = serve(token="secret-token")
    for path in ("/", "/api/info", "/assets/app.js", "/api/runs", "/openapi.json", "/v1/models"):
        assert served.client.get(path).status_code == 401, path
    assert served.client.get("/", params={"token": "wrong"}).status_code == 401
    assert served.client.get("/api/info", headers={"authorization": "Bearer secret-token"}).status_code == 200
    entered = served.client.get("/", params={"token": "secret-token"})
    assert entered.status_code == 303
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert served.client.get("/api/info").status_code == 200  # the client kept the cookie


def test_beyond_this_machine_a_token_is_a_must():
    from mini_o3.serve.settings import ServeSettings

    with pytest.raises(UserError, match="give a token"):
        ServeSettings(host="0.0.0.0")
    assert ServeSettings(host="0.0.0.0", token="t").token == "t"


def test_pages_may_load_and_run_only_what_the_server_has(serve):
    served = serve()
    for path in ("/", "/api/info", "/assets/app.js", "/nowhere"):
        headers = served.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def bomb():
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"no picture", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", 422),
        (png()[:2000], 422),
        (bomb(), 422),
        (b"x" * 3_000_000, 413),
    ],
    ids=["empty", "text", "svg", "cut off", "bomb", "large"],
)
def test_what_is_no_picture_is_refused_before_it_costs_anything(serve, tmp_path, data, status):
    served = serve(upload_bytes=2_000_000, upload_pixels=10_000_000)
    response = served.client.post("/api/pictures", content=data)
    assert response.status_code == status
    assert isinstance(response.json()["detail"], str)
    assert str(tmp_path) not in response.text
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_a_body_without_a_length_is_counted_while_it_is_read(serve):
    served = serve(upload_bytes=100_000)
    response = served.client.post("/api/pictures", content=(b"x" * 50_000 for _ in range(40)))
    assert response.status_code == 413


def test_too_many_changes_in_a_minute_are_refused(serve):
    served = serve(requests_per_minute=3)
    codes = [served.client.post("/api/searches/none/stop").status_code for _ in range(5)]
    assert codes == [404, 404, 404, 429, 429]
    assert served.client.get("/api/info").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/%2e%2e/app.py",
        "/assets/..%2fapp.py",
        "/assets//etc/passwd",
        "/api/pictures/..%2f..%2fetc%2fpasswd",
        "/api/pictures/etc",
        "/api/runs/..%2f../episodes",
    ],
)
def test_nothing_outside_is_read(serve, path):
    assert serve().client.get(path).status_code in (404, 422)


def recorded(folder: Path, picture: Path):
    folder.mkdir(parents=True)
    row = {
        "task_id": "t",
        "picture": str(picture),
        "question": "What?",
        "size": [800, 600],
        "policy": "script",
        "profile": "search@0",
        "limits": {"turns": 6, "images": None, "context_tokens": None, "void_retries": 2},
        "seed": 0,
        "shown": [800, 600],
        "stop": "answered",
        "answer": "red",
        "turns": [{"text": answer("red"), "action": {"answer": "red"}, "seconds": 0.1}],
    }
    (folder / "episodes.jsonl").write_text(json.dumps(row) + "\n")


def test_pictures_that_records_name_are_shown_from_the_given_folders_only(serve, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    outside = tmp_path / "elsewhere" / "private.png"
    outside.write_bytes(png())
    recorded(tmp_path / "runs" / "one", outside)
    recorded(tmp_path / "runs" / "two", tmp_path / "runs" / "two" / "link.png")
    (tmp_path / "runs" / "two" / "link.png").symlink_to(outside)
    (tmp_path / "runs" / "away").symlink_to(tmp_path / "elsewhere")
    served = serve(runs=(tmp_path / "runs",))
    found = {run["name"]: run["id"] for run in served.client.get("/api/runs").json()}
    assert sorted(found) == ["runs/one", "runs/two"]
    for key in found.values():
        assert served.client.get(f"/api/runs/{key}/episodes/0").status_code == 200
        assert served.client.get(f"/api/runs/{key}/episodes/0/picture").status_code == 404
    allowed = serve(runs=(tmp_path / "runs",), pictures=(tmp_path / "elsewhere",))
    assert allowed.client.get(f"/api/runs/{found['runs/one']}/episodes/0/picture").status_code == 200


def test_the_command_refuses_what_cannot_be_served(tmp_path):
    pytest.importorskip("fastapi")
    refused(mini_o3("serve", "--policy", "teacher", cwd=tmp_path), "teacher", "cannot be served")
    refused(mini_o3("serve", "--host", "0.0.0.0", cwd=tmp_path), "--host", "token")
    refused(mini_o3("serve", "--runs", "nowhere", cwd=tmp_path), "nowhere", "no such folder")


HALF = "\ud800"  # of a character
CHAT = {"messages": [{"role": "user", "content": [{"type": "text", "text": HALF}]}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/search", {"image": HALF, "question": "What?"}),
        ("/v1/search", {"image": "iVBO", "question": HALF}),
        ("/v1/search", {"image": "iVBO", "question": "What?", "policy": HALF}),
        ("/v1/search", {"image": "iVBO", "question": "What?", "seed": float("nan")}),
        ("/v1/search", {"image": "iVBO", "question": "What?", HALF: 1}),
        ("/v1/find", {"images": [HALF], "query": "a car"}),
        ("/v1/find", {"images": ["iVBO"], "query": HALF}),
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", {"model": HALF, "messages": [{"role": "user", "content": "a"}]}),
        ("/api/searches", {"picture": "a", "question": HALF}),
        ("/api/searches", {"picture": "a", "question": "What?", "seed": float("nan")}),
        ("/api/searches/a/take-over", {"answer": HALF}),
        ("/api/searches/a/take-over", {"box": [float("nan"), HALF]}),
        ("/api/finds", {"query": HALF}),
        ("/api/finds", {"query": "a", "folder": HALF}),
        ("/api/finds", HALF),
    ],
)
def test_what_no_text_can_hold_is_refused(serve, path, body):
    response = serve().client.post(
        path, content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert response.status_code == 422, response.text
    assert response.json()["detail"]


def test_odd_addresses_and_headers_are_refused(serve, tmp_path):
    served = serve(pictures=(tmp_path,))
    get = lambda path, **headers: served.client.get(path, headers=headers).status_code  # noqa: E731
    assert get("/api/info", origin="http://[") == 403
    assert get("/assets/%00") == 404
    assert get("/assets/" + "a" * 5000) == 404
    assert get("/api/searches/a/events", **{"last-event-id": "9" * 5000}) == 404
    for folder in ("0/\0", "0/" + "a" * 5000, "9" * 5000):
        assert served.client.post("/api/finds", json={"query": "a", "folder": folder}).status_code == 404
    for picture in ("\0", "a" * 5000):
        asked = {"picture": picture, "question": "What?"}
        assert served.client.post("/api/searches", json=asked).status_code == 404
