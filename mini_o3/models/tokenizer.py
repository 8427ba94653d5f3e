"""nano's tokenizer: every byte is a token, and so is every word and number that its dialect uses often.

Built from the lists below, not trained, so that it is the same everywhere; any text survives encode and
decode.
"""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mini_o3.probes.shapes.words import COLOURS, SHAPES

END_OF_TEXT = "<|endoftext|>"  # which Qwen2.5-VL ends with as well, if rarely
IM_START, IM_END = "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SPECIAL = (END_OF_TEXT, IM_START, IM_END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD)

_TAGS = (
    "<think>",
    "</think>",
    '<grounding>{"bbox_2d": [',
    '], "source": "',
    '"}</grounding>',
    "<answer>",
    "</answer>",
)
_SOURCES = ("original_image", *(f"observation_{i}" for i in range(1, 33)))
_WORDS = (
    "What Which Find Observation Error See Say point describe find look at closer next back again not the "
    "The it is on in of to a with does do have has stands next beside near carry carries shape shapes "
    "colour colours digit digits thing things too small here there nothing no missed off cut quarter "
    "whole seen done all try wrong view so answer and"
).split()
_NUMBERS = tuple(f"{i / 100:.2f}" for i in range(101))
_COUNTS = tuple(f" {i}" for i in range(33))


def vocabulary() -> list[str]:
    """All multi-byte tokens that are not special, in order of their ids."""
    words = dict.fromkeys([*_WORDS, *COLOURS, *SHAPES])
    spaced = [f" {word}" for word in words]
    plain = [word for word in words if word in COLOURS or word in SHAPES or word[0].isupper()]
    numbers = [*_NUMBERS, *(f" {number}" for number in _NUMBERS)]
    roles = ["system\n", "user\n", "assistant\n", ", ", ": ", ". "]
    return list(dict.fromkeys([*_TAGS, *_SOURCES, *roles, *spaced, *plain, *numbers, *_COUNTS]))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, ready for `save_pretrained`; special tokens have the names that Qwen2.5-VL gives
    them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in vocabulary()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=IM_END, pad_token=SPECIAL[0], clean_up_tokenization_spaces=False
    )
