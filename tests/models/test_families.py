"""Qwen3-VL is run as transformers runs it, on random weights in the layout in which it is published."""

import asyncio
import json

import pytest
import torch
from helpers import mini_o3, play, refused
from PIL import Image
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from mini_o3.episode import Limits, Message
from mini_o3.grpo.learner import hidden_states
from mini_o3.kit.errors import UserError
from mini_o3.models.chat import ChatRenderer, position_ids
from mini_o3.models.engine import Engine
from mini_o3.models.forward import encode_views
from mini_o3.models.sampling import Sampling
from mini_o3.models.tokenizer import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START, build_tokenizer
from mini_o3.models.vlm import load_vlm, save_vlm
from mini_o3.policies.local import Local
from mini_o3.policies.spec import PolicySpec
from mini_o3.probes.shapes import make_probe

# How Qwen3-VL's template lays messages of text and pictures out.
TEMPLATE = """{%- set seen = namespace(value=0) %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for part in message.content %}
            {%- if part.type == 'image' %}
                {%- set seen.value = seen.value + 1 %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif 'text' in part %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}"""
THINKING = TEMPLATE.replace("assistant\\n' }}\n{%- endif %}", "assistant\\n<think>\\n' }}\n{%- endif %}")


def published_config(tokenizer):
    """As the config.json of the published models, but small."""
    token = tokenizer.convert_tokens_to_ids
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "image_token_id": token(IMAGE_PAD),
        "video_token_id": token(VIDEO_PAD),
        "vision_start_token_id": token(VISION_START),
        "vision_end_token_id": token(VISION_END),
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": 64,
            "intermediate_size": 160,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "attention_bias": False,
            "max_position_embeddings": 262144,
            "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default"},
            "rope_theta": 5000000,
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": 4,
            "hidden_size": 32,
            "hidden_act": "gelu_pytorch_tanh",
            "intermediate_size": 64,
            "num_heads": 2,
            "in_channels": 3,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1, 3],
        },
    }


PROCESSOR = {
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}


def published(folder, template=TEMPLATE):
    tokenizer = build_tokenizer()
    config = published_config(tokenizer)
    torch.manual_seed(5)
    model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(**config)).float()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder, max_shard_size="200KB")
    assert (folder / "model.safetensors.index.json").is_file()
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    return published(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def vlm(folder):
    return load_vlm(folder)


def picture(number, size=(320, 256)):
    return make_probe(500_000_300 + number, "easy", size=(900, 900)).picture.resize(size)


def reference_logits(vlm, ids, views):
    """All logits (tokens, vocabulary) in one plain pass of transformers."""
    pixels = Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        do_resize=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )(images=views, return_tensors="pt")
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        out = vlm.model(
            input_ids=tokens,
            pixel_values=pixels["pixel_values"],
            image_grid_thw=pixels["image_grid_thw"],
            mm_token_type_ids=(tokens == vlm.renderer.image_pad).long(),
            use_cache=False,
        )
    return out.logits[0]


def conversation():
    return [
        Message("system", ("Look closely.",)),
        Message("user", ("What is there?", picture(0), "And here?", picture(1, (192, 320)))),
        Message("user", (picture(2, (64, 96)), "Look again.")),
    ]


def test_ids_equal_those_of_the_template(vlm):
    renderer = vlm.renderer
    assert renderer.factor == 32
    messages = conversation()
    ours = renderer.prompt(messages, None)
    content = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": p} if isinstance(p, str) else {"type": "image"}
                for p in message.parts
            ],
        }
        for message in messages
    ]
    text = renderer.tokenizer.apply_chat_template(
        content, chat_template=TEMPLATE, tokenize=False, add_generation_prompt=True
    )
    for view in ours.views:
        text = text.replace(IMAGE_PAD, "<here>" * (view.width * view.height // 32**2), 1)
    fresh = build_tokenizer()
    theirs = fresh(text.replace("<here>", IMAGE_PAD), add_special_tokens=False)["input_ids"]
    assert ours.ids == theirs
    assert ours.ids.count(renderer.image_pad) == 10 * 8 + 6 * 10 + 2 * 3


def test_models_that_always_think_begin_with_an_open_thought(tmp_path):
    thinking = load_vlm(published(tmp_path, THINKING)).renderer
    assert thinking.decode(thinking.generation_prompt().ids[1:]) == "assistant\n<think>\n"
    plain = ChatRenderer(build_tokenizer(), 32)
    assert plain.decode(plain.generation_prompt().ids[1:]) == "assistant\n"


def test_positions_and_one_pass_over_everything_equal_transformers(vlm):
    prompt = vlm.renderer.prompt(conversation(), None)
    grids = vlm.renderer.grids(prompt.views)
    positions, _ = position_ids(prompt.ids, vlm.renderer.image_pad, grids)
    ids = torch.tensor([prompt.ids])
    theirs, _ = vlm.model.model.get_rope_index(
        ids,
        mm_token_type_ids=(ids == vlm.renderer.image_pad).long(),
        image_grid_thw=torch.tensor([[1, 2 * rows, 2 * columns] for rows, columns in grids]),
    )
    assert positions.tolist() == theirs[:, 0].tolist()
    with torch.inference_mode():
        tokens = torch.cat(encode_views(vlm, prompt.views))
        assert tokens.shape == (146, 4 * 64)  # what it saw in three earlier layers stands beside
        hidden = hidden_states(vlm, ids, torch.from_numpy(positions)[:, None], tokens)
        ours = vlm.model.lm_head(hidden)[0]
    theirs = reference_logits(vlm, prompt.ids, prompt.views)
    assert float((ours - theirs).abs().max()) < 1e-4
    assert float(theirs.std()) > 0.1


@pytest.mark.parametrize("prefill_tokens", [1024, 37])
def test_searches_together_with_the_cache_kept_equal_transformers(vlm, monkeypatch, prefill_tokens):
    """Greedy ids, and the logits behind every token that was written, over five turns of three searches."""
    seen = {}
    plain = Engine._sample

    def recording(self, generations, logits):
        before = [(g.sequence.cached + bool(g.sampled), len(g.sampled), g.draft) for g in generations]
        rows = logits.clone().split([1 + len(draft) for *_, draft in before])
        plain(self, generations, logits)
        for generation, its_rows, (length, sampled, _) in zip(generations, rows, before, strict=True):
            taken = its_rows[: len(generation.sampled) - sampled]
            of_sequence = seen.setdefault(generation.sequence, [])
            of_sequence.extend((length + index, row) for index, row in enumerate(taken))

    monkeypatch.setattr(Engine, "_sample", recording)
    engine = Engine(vlm, slots=3, prefill_tokens=prefill_tokens)
    sampling = Sampling(max_tokens=12, stops=())
    read = []

    async def search(number):
        sequence = await engine.open(number)
        ids, looked, sampled = [], [], None
        for turn in range(5):
            messages = [Message("user", (f"Observation {turn}", picture(10 * number + turn, (96, 64))))]
            prompt = vlm.renderer.prompt(messages, sampled)
            reply = await engine.reply(sequence, prompt, sampling)
            sampled = reply.ids
            ids += [*prompt.ids, *sampled]
            looked += prompt.views
        read.append((sequence, ids, looked))
        engine.close(sequence)

    async def together():
        await asyncio.gather(*(search(number) for number in range(3)))

    asyncio.run(together())
    for sequence, ids, views in read:
        logits = reference_logits(vlm, ids, views)
        assert len(seen[sequence]) >= 30
        for length, row in seen[sequence]:
            assert float((logits[length - 1] - row).abs().max()) < 1e-4
            allowed = logits[length - 1].clone()
            allowed[list(vlm.renderer.forbidden)] = -torch.inf
            assert int(allowed.argmax()) == ids[length]


def test_it_is_asked_in_thousandths_and_examined(folder, tmp_path):
    policy = Local.load(PolicySpec(f"hf:{folder}", turn_tokens=24, max_pixels=120_000))
    assert policy.dialect == "qwen3_vl"
    assert policy.budget.multiple == 32
    episode = play(policy, picture(7), limits=Limits(turns=2, void_retries=1))
    assert episode.num_turns >= 1
    found = mini_o3("doctor", f"hf:{folder}", cwd=tmp_path)
    assert found.returncode == 0, found
    assert "architecture: Qwen3-VL" in found.stdout
    assert "prompts qwen3_vl" in found.stdout
    picture(7).save(tmp_path / "some.png")
    asked = mini_o3(
        "ask",
        "some.png",
        "What?",
        "--policy",
        f"hf:{folder}",
        "--turns",
        2,
        "--turn-tokens",
        24,
        "--json",
        cwd=tmp_path,
    )
    assert asked.returncode in (0, 1, 4, 5), asked
    assert json.loads(asked.stdout)["status"]


def test_what_was_trained_is_saved_as_it_came(vlm, tmp_path):
    save_vlm(vlm, tmp_path / "trained", {"step": 3})
    again = load_vlm(tmp_path / "trained")
    assert again.family == "qwen3_vl"
    assert again.renderer.tokenizer.chat_template == TEMPLATE
    for name, value in vlm.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name


def test_other_families_are_refused_with_those_that_can_be_run(folder, tmp_path):
    for name in folder.iterdir():
        (tmp_path / name.name).write_bytes(name.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "qwen3_vl_moe"}))
    said = r"kind qwen3_vl_moe; what can be run is Qwen2\.5-VL \(qwen2_5_vl\) or Qwen3-VL \(qwen3_vl\)"
    with pytest.raises(UserError, match=said):
        load_vlm(tmp_path)
    Image.new("RGB", (40, 40)).save(tmp_path / "some.png")
    result = mini_o3("ask", "some.png", "What?", "--policy", f"hf:{tmp_path}", cwd=tmp_path)
    refused(result, "qwen3_vl_moe", "Qwen2.5-VL")
