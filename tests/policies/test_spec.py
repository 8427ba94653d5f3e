"""How a policy is built: what is refused, how large its views are, at which temperature it is asked."""

import json
import pickle

import pytest
from fake_endpoint import Endpoint, says
from helpers import answer, mini_o3, play
from PIL import Image

from mini_o3.coldstart.config import CollectConfig
from mini_o3.episode import SearchTask
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.models.shipped import NANO_DIR, checkpoint_in
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec, default_temperature, recorded_temperature
from mini_o3.vision import PixelBudget

API = "api:http://127.0.0.1:9/v1#m"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "clever"}, "policy clever: no such policy; choose one of nano, reader, teacher"),
        ({"policy": "hf:"}, "policy hf:: something is missing after 'hf'"),
        ({"policy": "nano:x"}, "policy nano:x: nothing may stand after 'nano'"),
        ({"max_pixels": 5}, "max_pixels: nano only sees views of 168 x 168"),
        ({"prompts": "search"}, "prompts: nano knows its own only"),
        ({"policy": API, "temperature": -0.1}, "temperature -0.1: must be 0 or more"),
        ({"policy": API, "turn_tokens": 0}, "turn_tokens 0: must be 1 or more"),
        ({"policy": API, "concurrency": 0}, "concurrency 0: must be 1 or more"),
    ],
)
def test_what_cannot_be_built_is_named_by_its_setting(settings, message):
    with pytest.raises(SettingError) as refused:
        PolicySpec(**settings)
    assert str(refused.value).startswith(message)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # workers send them back


@pytest.mark.parametrize("policy", [API, "hf:/nowhere", "human"])
def test_a_view_too_small_for_one_token_is_refused_before_anything_is_loaded(policy):
    with pytest.raises(UserError, match=r"max_pixels 100: max_pixels must be at least 784"):
        load_policy(PolicySpec(policy, max_pixels=100))


def test_the_largest_view_lowers_the_smallest_with_it_and_squares_have_exactly_that_size():
    assert PixelBudget().limited(30_000) == PixelBudget(30_000, 30_000)
    assert PixelBudget().limited(1_000_000) == PixelBudget(1_000_000, 40_000)
    square = PixelBudget(28224, 28224, square=True, marks=True)
    assert square.limited(50_176) == PixelBudget(50_176, 50_176, square=True, marks=True)


def test_one_search_is_greedy_and_several_are_drawn_as_the_policy_was_measured(tmp_path):
    (tmp_path / "mini_o3.json").write_text("not JSON")
    policies = ("nano", f"hf:{NANO_DIR}", f"hf:{tmp_path}", "hf:/nowhere", API)
    assert [default_temperature(policy, 1) for policy in policies] == [0, 0, 0, 0, 0]
    assert [default_temperature(policy, 8) for policy in policies] == [0.6, 0.6, 1.0, 1.0, 1.0]


def test_a_collection_draws_as_its_policy_is_drawn_unless_it_says_otherwise():
    assert CollectConfig(tasks="t", policy="nano").temperature == 0.6
    assert CollectConfig(tasks="t", policy=API).temperature == 1.0
    assert CollectConfig(tasks="t", policy=API, samples=1, rounds=1).temperature == 0.0
    assert CollectConfig(tasks="t", policy=API, temperature=0.7).policy_spec() == PolicySpec(
        API, temperature=0.7, concurrency=16
    )
    with pytest.raises(ValueError, match="policy"):
        CollectConfig(tasks="t")


def test_a_run_goes_on_at_the_temperature_it_was_begun_with(tmp_path):
    evaluation, collection = tmp_path / "protocol.json", tmp_path / "config.json"
    evaluation.write_text(json.dumps({"temperature": 1.0, "samples": 8}))
    collection.write_text(json.dumps({"config": {"temperature": 0.7, "samples": 4}}))
    assert recorded_temperature(evaluation, 8) == 1.0
    assert recorded_temperature(collection, 4) == 0.7
    assert recorded_temperature(evaluation, 1) is None  # another evaluation, which will be refused as such
    assert recorded_temperature(tmp_path / "none.json", 1) is None


def test_the_longest_turn_of_an_endpoint_can_be_set():
    with Endpoint(says(answer("red")), says(answer("red"))) as endpoint:
        for spec in (PolicySpec(f"api:{endpoint.url}#m", turn_tokens=77), f"api:{endpoint.url}#m"):
            play(load_policy(spec), Image.new("RGB", (60, 40)), SearchTask("x.png", "What?"))
        assert [request.body["max_tokens"] for request in endpoint.requests] == [77, 2048]


def test_the_longest_turn_of_a_local_model_can_be_set():
    assert load_policy("nano").sampling.max_tokens == 192
    assert load_policy(PolicySpec("nano", turn_tokens=50)).sampling.max_tokens == 50


def test_a_person_plays_one_episode_at_a_time():
    assert PolicySpec("human", concurrency=16).episodes_at_once == 1
    assert PolicySpec(API, concurrency=16).episodes_at_once == 16


def test_the_command_line_names_the_option_where_the_library_names_the_setting(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "x.png")
    result = mini_o3("ask", "x.png", "What?", "--max-pixels", 400, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --max-pixels: nano only sees views of 168 x 168")


def test_shipped_checkpoints_and_run_folders_are_policies_by_name(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(checkpoint_in("guesses"))
    by_name, in_run = load_policy("hf:guesses"), load_policy(f"hf:{tmp_path / 'run'}")
    assert by_name.weights == in_run.weights != load_policy("nano").weights
    assert default_temperature("hf:guesses", 8) == 0.6
