#!/usr/bin/env bash
# Makes the recorded files of this folder, with the code of commit e26451f and no other:
#   git worktree add /tmp/base e26451f && mkdir NEW && cd NEW && PYTHONPATH=/tmp/base bash make.sh
# Nothing is ever made anew with later code: that would record what the later code does.
set -euo pipefail
export OMP_NUM_THREADS=1
base=$PYTHONPATH
mini() { python -m mini_o3 "$@"; }
port=8765
url=http://127.0.0.1:$port/v1

serve() { # serve ARGS...: the fake endpoint; stop it with `unserve`
  python -m mini_o3 fake-endpoint --port $port "$@" & server=$!
  python -c "
import socket, time
for _ in range(200):
    try: socket.create_connection(('127.0.0.1', $port)).close(); break
    except OSError: time.sleep(0.1)"
}
unserve() { kill $server; wait $server || true; }

tasks() {
  mini probe make --level easy --count 1 --seed 500000006 --out tasks/easy
  mini probe make --level easy --count 1 --seed 500000010 --out tasks/easy
  mini probe make --level medium --count 1 --seed 500000001 --out tasks/medium
  mini probe make --level hard --count 1 --seed 500000004 --out tasks/hard
  mkdir -p tasks/all # the four together
  for level in easy medium hard; do sed "s|\"picture\": \"|&../$level/|" tasks/$level/tasks.jsonl; done > tasks/all/tasks.jsonl
  cat > tasks/scenes.toml <<< $'per_picture = 3\nquality = 70\nkinds = ["dashboard", "map"]\n[train]\neasy = 3\n[test]\neasy = 3'
  mini probe build --config tasks/scenes.toml --workers 1 --out tasks/scenes
  PYTHONPATH=$base:$base/tests/benchmarks python - <<'P'
from pathlib import Path
from layouts import array, coco, hr_rows, lines, picture, put, tabs
source = Path("tasks/source")
tabs(source / "hrbench" / "hr_bench_4k.tsv", hr_rows(2, (40, 30)))
coco(source / "coco", [(1, 640, 480), (2, 500, 400)], [(1, "dog", [10, 20, 60, 40], False), (1, "cat", [300, 200, 50, 50], False),
     (2, "bus", [100, 100, 80, 60], False), (2, "person", [20, 20, 30, 60], False), (2, "person", [300, 60, 30, 60], False)])
put(source / "own" / "a.png", picture(3, (120, 90), "PNG"))
lines(source / "own" / "own.jsonl", [
    {"image": "a.png", "question": "What is on the sign?", "answer": "Öl <b>", "bboxes": [[0.1, 0.2, 0.3, 0.4]], "id": "q1"},
    {"image": "a.png", "question": "Which way?", "options": ["left", "right"], "answer": "B", "category": "ways"},
    {"image": "a.png", "question": "How many birds are there?"},
    {"image": "gone.png", "question": "What is lost?"}])
P
  mini tasks import tasks/source/hrbench --out tasks/hrbench
  mini tasks import tasks/source/coco --copy --out tasks/coco
  mini tasks import tasks/source/own/own.jsonl --copy --on-error skip --out tasks/own
  mini tasks export tasks/hard --split hard --out tasks/exported
}

asked() {
  local easy=tasks/easy/easy_500000006.jpg hard=tasks/hard/hard_500000004.jpg
  question() { python -c "import json, sys; print(json.loads(open(sys.argv[1]).readline())['question'])" "tasks/$1/tasks.jsonl"; }
  mini ask $easy "$(question easy)" --out ask/nano
  mini ask $easy "$(question easy)" --samples 3 --out ask/votes
  mini ask $hard "$(question hard)" --turns 2 --out ask/over_turn
  mini ask $hard "$(question hard)" --policy teacher --out ask/teacher
  mini ask $easy "$(question easy)" --policy replay:ask/nano/episode.json --out ask/replay
  printf 'zoom 0.5 0.5 1 1\nzoom 0 0 0.5 0.5\nanswer a “green” line\n' | mini ask $hard "What is there?" --policy human --out ask/human
  sleep 12 | timeout --signal INT 8 python -m mini_o3 ask $hard "What is there?" --policy human --out ask/interrupted || true
  cat > ask/texts.json <<'J'
{"task_id": "any", "turns": [{"text": "I have no idea."}, {"text": "<think>That one.</think><grounding>{\"bbox_2d\": [0.5, 0.5, 0.4, 0.9], \"source\": \"original_image\"}</grounding>"}, {"text": "<think>Closer.</think><grounding>{\"bbox_2d\": [0.1, 0.1, 0.4, 0.5], \"source\": \"original_image\"}</grounding>"}, {"text": "<think>There.</think><answer>a star</answer>"}]}
J
  mini ask $hard "What is there?" --policy replay:ask/texts.json --out ask/malformed
  cat > ask/void.json <<< '{"task_id": "any", "turns": [{"text": "Hm."}, {"text": "Hm?"}, {"text": "Hm!"}]}'
  mini ask $hard "What is there?" --policy replay:ask/void.json --out ask/void
  cat > ask/direct.json <<< '{"task_id": "any", "turns": [{"text": "It is a star."}]}'
  mini ask $hard "What is there?" --policy replay:ask/direct.json --dialect direct --out ask/direct
  mini ask $hard "What is there?" --policy api:http://127.0.0.1:9/v1#nobody --out ask/policy_error || true
}

evaluated() {
  mini eval --tasks tasks/all --policy nano --samples 2 --turns 6 --faithfulness --check-curve 2 --out eval/nano
  mini eval --tasks tasks/all --policy teacher --protocol greedy --out eval/teacher
  mini eval --tasks tasks/all --policy teacher --turns 4 --shard 1/2 --out eval/shard_1
  mini eval --tasks tasks/all --policy teacher --turns 4 --shard 2/2 --out eval/shard_2
  mini eval merge eval/shard_1 eval/shard_2 --out eval/merged
  retried
  judged
}

retried() {
  serve --tasks tasks/all --fail 0.85
  mini eval --tasks tasks/all --policy "api:$url#fake" --samples 2 --turns 12 --out eval/retried || true
  unserve; cp eval/retried/report.json eval/retried_before.json
  serve --tasks tasks/all --malformed 0.1 --wrong 0.3
  mini eval --tasks tasks/all --policy "api:$url#fake" --samples 2 --turns 12 --out eval/retried
  unserve
}

judged() {
  python - <<'P'
import json
from mini_o3.episode import read_tasks
words = ["The number is 27.", "27", "the one at the top", "B", "I cannot tell", "something else", "D. 72", "the one at the top"]
turns = '<think>It says so.</think><answer>{}</answer>'
with open("eval/answers.jsonl", "w") as file:
    for task, word in zip(read_tasks("tasks/hrbench"), words, strict=True):
        file.write(json.dumps({"task_id": task.id, "turns": [{"text": turns.format(word)}]}) + "\n")
P
  PYTHONPATH=$base:$base/tests python - <<'P'
import json, subprocess, sys
from fake_endpoint import Endpoint, says
def judge(request):  # right, wrong, and nothing that can be read
    said = json.dumps(request.body["messages"][-1])
    return says('{"verdict": "correct"}' if "at the top" in said else "I am not sure" if "cannot" in said else "incorrect")
with Endpoint(answer=judge, port=8766) as endpoint:
    subprocess.run([sys.executable, "-m", "mini_o3", "eval", "--tasks", "tasks/hrbench", "--policy", "replay:eval/answers.jsonl",
                    "--judge", f"auto+llm:{endpoint.url}#judge,attempts=1", "--out", "eval/judged"])
    subprocess.run([sys.executable, "-m", "mini_o3", "judge", "run", "eval/judged", "--judge", "exact", "--out", "eval/judged/exact.jsonl"])
P
  mkdir -p interop
  mini interop vlmevalkit-tasks tasks/hrbench --out interop/hr.tsv
  mini interop vlmevalkit-predictions eval/judged --out interop/us_hr.tsv
  python - <<'P'
from pathlib import Path
from mini_o3.episode import Limits
from mini_o3.interop.searches import Question, Searches
from mini_o3.policies.replay import Replay
turns = ['<think>Closer.</think><grounding>{"bbox_2d": [0, 0, 0.5, 0.5], "source": "original_image"}</grounding>', "<answer>B</answer>"]
searches = Searches(Replay({"*": turns}), Limits(turns=4), Path("interop/searches"), settings={"policy": "replay", "turns": 4})
(picture,) = Path("tasks/own/pictures").glob("*.png")
searches.answer([lambda: Question(picture, "Which way?\nA. left\nB. right", "q2"), lambda: Question(picture, "What is it?", "q3", 1)])
P
}

collected() {
  mini collect --tasks tasks/all --policy teacher --samples 2 --rounds 1 --out collect/teacher
  sed 's/^tasks = ""/tasks = "tasks\/all"/' $base/configs/collect.toml > collect/collect.toml
  serve --tasks tasks/all --fail 0.3 --malformed 0.2 --wrong 0.5
  mini collect --config collect/collect.toml --policy "api:$url#fake" --samples 3 --rounds 2 --turns 16 --out collect/api
  unserve
  serve --tasks tasks/all --malformed 0.2 # what failed is asked again
  mini collect --config collect/collect.toml --policy "api:$url#fake" --samples 3 --rounds 2 --turns 16 --out collect/api
  unserve
}

squashed() { # pictures as flat tiles, so that they are small; ids do not depend on what is in them
  rm -rf tasks/scenes/*/pictures tasks/scenes/levels.png
  python - <<'P'
from pathlib import Path
from PIL import Image
for path in sorted(path for level in ("easy", "medium", "hard", "exported") for path in Path("tasks", level).rglob("*.jpg")):
    with Image.open(path) as file:
        size, picture = file.size, file.convert("RGB")
    small = picture.resize((size[0] // 128, size[1] // 128), Image.Resampling.BOX).quantize(24).convert("RGB")
    small.resize(size, Image.Resampling.NEAREST).save(path, "JPEG", quality=30, optimize=True, progressive=True)
P
}

exported() {
  for form in sharegpt trl parquet coldstart; do mini collect export collect/api --format $form --out export/$form; done
  mini collect import export/coldstart/train-00000-of-00001.parquet --out collect/imported
  cat > constants.py <<'P'
TOOL_SYSTEM = """Look around. Write <grounding>{"bbox_2d": [a, b], "source": "x"}</grounding>\tor <answer>."""
SEEN_PROMPT = "After Action {action_turn}, the view (Observation {observation_turn}):\n<|vision_start|><|image_pad|><|vision_end|>.\nGo on."
ERROR_INFO = "Think it over."
P
  mini prompts import constants.py --out prompts/official && rm constants.py
}

presets() {
  mkdir -p presets && cp -r $base/configs/. presets
}

trained() {
  mkdir -p train
  cat > train/perception.toml <<< $'stage = "perception"\nseed = 1\nsteps = 9\nscenes = 1\ncells_only = 1\ncrowds = 1\nmuon_lr = 0.015\nthreads = 1\nworkers = 0\nlog_every = 1'
  cat > train/sft.toml <<< $'stage = "sft"\nseed = 2\nsteps = 9\nscenes = 1\ncrowds = 1\nperception_share = 0.5\nslips = 0.1\nthreads = 1\nworkers = 0\nlog_every = 1'
  cat > train/recorded.toml <<< $'stage = "sft"\nseed = 3\nepochs = 1\nscenes = 1\nepisodes = "collect/teacher/kept"\noptimiser = "adamw"\nthreads = 1\nworkers = 0\nlog_every = 1'
  cat > train/grpo.toml <<< $'seed = 5\nsteps = 9\ntasks = "tasks/easy"\ngroups = 1\nrollouts = 4\nmost_asked = 4\nturns = 6\nmax_tokens = 160\nupdates = 1\nvariance = "all"\nvalidate_every = 1\nvalidate_tasks = "tasks/easy"\nvalidate_probes = 1\nvalidate_turns = 2\nthreads = 1'
  mini train perception --config train/perception.toml --steps 2 --out train/perception
  mini train sft --config train/sft.toml --start train/perception --steps 2 --out train/sft
  mini train sft --config train/recorded.toml --start train/sft --steps 2 --out train/recorded
  mini train grpo --config train/grpo.toml --steps 2 --out train/grpo
}

suites() {
  mkdir -p suites
  cp -r $base/runs/reproduce/over_turn_masking $base/runs/reproduce/patterns suites
  rm -rf suites/over_turn_masking/*masked_[23] # one run of three each, and what is written of these alone
  python - <<'P'
import json
from pathlib import Path
from mini_o3.reproduce.report import write_report
from mini_o3.reproduce.suite import read_suite
for name in ("over_turn_masking", "patterns"):
    suite = read_suite(name)
    found = {run: {level: json.loads(path.read_text()) for level in suite.measure.levels
                   if (path := Path("suites", name, run, level, "report.json")).exists()} for run in suite.runs}
    write_report(suite, found, Path("suites", name))
P
}

recorded() { # what this code reads from the files whose reading cannot be seen in another file
  mkdir -p expected
  python - <<'P'
import json
from pathlib import Path
from mini_o3.coldstart.config import CollectConfig
from mini_o3.coldstart.exemplars import read_exemplars
from mini_o3.evaluate.compare import compare
from mini_o3.evaluate.protocol import Protocol
from mini_o3.grpo.config import GrpoConfig
from mini_o3.kit.config import read_config
from mini_o3.kit.rundir import write_json
from mini_o3.probes.world import WorldConfig
from mini_o3.protocol import format_action, load_profile
from mini_o3.reproduce.suite import Suite
from mini_o3.sft.config import TrainConfig
kinds = {"protocols": Protocol, "reproduce": Suite, "grpo": GrpoConfig, "sft": TrainConfig, "perception": TrainConfig,
         "visual": WorldConfig, "collect": CollectConfig}
paths = sorted(Path("presets").rglob("*.toml"))
kind = {path: kinds[path.parent.name if path.parent.name in kinds else path.stem.partition("_")[0]] for path in paths}
write_json(Path("expected/presets.json"), {str(path): read_config(path, kind[path]).model_dump(mode="json") for path in paths})
write_json(Path("expected/exemplars.json"), [
    [one.name, one.title, one.question, [[step.sees, format_action(step.action)] for step in one.steps]]
    for one in read_exemplars("presets/exemplars/*.md")])
profile = load_profile("prompts/official")
write_json(Path("expected/profile.json"), {"name": profile.name, "hash": profile.hash, "dialect": profile.dialect})
write_json(Path("expected/compare.json"), compare(Path("eval/teacher"), Path("eval/merged")))
P
}

cleaned() {
  rm -rf train/*/states train/*/state.pt train/{perception,recorded,grpo}/model/tokenizer.json suites/*/*.svg eval/retried_before.json
  sed -i "s|$PWD/||" tasks/*/config.json interop/searches/episodes.jsonl # which name places from the root
  find . \( -name '*.html' -o -name '*.png' -path './ask/*' -o -name .lock -o -name '*.safetensors' -o -name timing.json \) -delete
}

if [ $# = 0 ]; then set -- tasks asked evaluated collected trained squashed exported presets suites recorded cleaned; fi
for part in "$@"; do $part; done
