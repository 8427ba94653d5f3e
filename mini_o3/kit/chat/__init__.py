"""One model behind an OpenAI-compatible chat endpoint: settings, calls, replies."""

from mini_o3.kit.chat.client import ChatClient, ChatError, Reason
from mini_o3.kit.chat.reply import Completion, message_text
from mini_o3.kit.chat.settings import KEY_VARIABLES, ChatSettings, option_pairs, split_endpoint, with_options

__all__ = [
    "KEY_VARIABLES",
    "ChatClient",
    "ChatError",
    "ChatSettings",
    "Completion",
    "Reason",
    "message_text",
    "option_pairs",
    "split_endpoint",
    "with_options",
]
