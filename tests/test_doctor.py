"""`mini-o3 doctor` examines what is really there: a server on loopback, shipped weights, this machine."""

import json
import re

from fake_endpoint import Endpoint, completion, says, sends, status
from helpers import answer, mini_o3, zoom

from mini_o3.models.shipped import NANO_DIR


def server(most_pictures=100, most_words=100_000, heeds_stop=True, **message):
    """Plays an endpoint with these limits."""

    def respond(request):
        parts = [part for m in request.body["messages"] for part in m["content"] if isinstance(part, dict)]
        said = json.dumps(request.body["messages"])
        if sum(part["type"] == "image_url" for part in parts) > most_pictures:
            return status(400, f"At most {most_pictures} image(s) may be provided in one prompt.")
        if said.count("word ") > most_words:
            return status(400, "This model's maximum context length is exceeded")
        if "Write exactly" in said:
            return says("<answer>one" if heeds_stop else "<answer>one</answer> two three four")
        if "small rectangle" in said:
            return says(zoom(0.7, 0.1, 0.9, 0.3) if said.count("image_url") < 3 else answer("yellow"))
        body = completion(
            "red, ready", usage={"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        )
        body["choices"][0]["message"].update(message)
        return sends(body)

    return Endpoint(answer=respond)


def examined(tmp_path, *args):
    """Status, and the line of each finding by what it is about."""
    done = mini_o3("doctor", *args, cwd=tmp_path)
    assert "Traceback" not in done.stderr, done.stderr
    lines = [re.fullmatch(r"(ok|note|FAILS) +([^:]+): (.*)", line) for line in done.stdout.splitlines()]
    return done, {line[2]: (line[1], line[3]) for line in lines if line}


def test_an_endpoint_that_can_everything(tmp_path):
    with server(reasoning_content="hm") as endpoint:
        done, found = examined(tmp_path, f"api:{endpoint.url}#m")
    assert done.returncode == 0
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["many pictures"][1].startswith("33 ")
    assert found["thoughts"][1].startswith("split off")
    assert found["use"][1] == f"--policy api:{endpoint.url}#m"
    assert "in the dialect mini_o3" in found["a search"][1]


def test_the_limits_of_an_endpoint_are_found_and_so_is_what_to_do(tmp_path):
    with server(most_pictures=4, most_words=5_000, heeds_stop=False) as endpoint:
        _, found = examined(tmp_path, f"api:{endpoint.url}#m")
    assert found["many pictures"][0] == "note"
    assert "4 are taken" in found["many pictures"][1]
    assert "about 4000 words are taken" in found["long conversations"][1]
    assert found["stop strings"] == ("note", "not heeded; turns are cut after their first action here")
    assert found["use"][1].endswith("--turns 4")


def test_an_endpoint_that_is_down_or_takes_no_pictures_fails_in_one_line(tmp_path):
    done, found = examined(tmp_path, "api:http://127.0.0.1:9/v1#m", "--endpoint", "attempts=1")
    assert (done.returncode, set(found)) == (1, {"reply"})
    with Endpoint(says("ready"), answer=lambda _: status(400, "this model has no vision")) as endpoint:
        done, found = examined(tmp_path, f"api:{endpoint.url}#m", "--short")
    assert done.returncode == 1
    assert "this model has no vision" in found["pictures"][1]


def test_shipped_weights_and_this_machine(tmp_path):
    _, found = examined(tmp_path, f"hf:{NANO_DIR}")
    assert re.match(r"\d\.\d million parameters", found["loading"][1])
    done, found = examined(tmp_path)
    assert done.returncode == 0
    assert "torch" in found["versions"][1]
    done, found = examined(tmp_path, f"hf:{tmp_path}")
    assert done.returncode == 1
    assert "config.json" in found["files"][1]
    done, _ = examined(tmp_path, "nonsense")
    assert done.returncode == 2
