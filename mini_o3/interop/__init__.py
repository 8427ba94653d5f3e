"""Other evaluation programs: their files (VLMEvalKit), and this program as a model or task of theirs
(lmms-eval, inspect_ai).

None of them is ever imported by the rest: `lmms_model` and `inspect_task` are loaded by those programs,
through entry points.
"""
