"""The embedded model: nano's shape and vocabulary, chat rendering, and running any Qwen2.5-VL checkpoint."""
