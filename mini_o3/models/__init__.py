"""nano's shape and vocabulary, chat rendering, and running Qwen2.5-VL and Qwen3-VL checkpoints."""
