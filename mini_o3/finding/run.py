"""A search for one thing through many pictures, start to finish: list, look, search, write."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mini_o3.episode import Limits, Policy
from mini_o3.finding.clips import frames_around, take_in_frames
from mini_o3.finding.found import Found, Interrupted
from mini_o3.finding.gallery import FOLDER, write_gallery
from mini_o3.finding.outputs import write_results
from mini_o3.finding.query import Query, query_for
from mini_o3.finding.result import Result, ranked
from mini_o3.finding.search import Search
from mini_o3.finding.similar import similarities
from mini_o3.finding.sources import RESULT_FILE, left_out_words, list_sources
from mini_o3.finding.survey import survey
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.metering import Meter
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.run import ensure_same_record, folder_lock
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec

_NAMED = 20  # files that cannot be read, in notes
PAGES = ("all", "found", "none")
Say = Callable[[str], None]
_log = logging.getLogger("mini_o3")


def find(
    query: str,
    *places: str | os.PathLike[str],
    out: str | os.PathLike[str],
    policy: str | PolicySpec | Policy = "nano",
    turns: int = 32,
    limit: int | None = None,
    like: str | os.PathLike[str] | None = None,
    top: int | None = None,
    every: float = 1.0,
    finer: int = 3,
    concurrent: int = 16,
    near: bool = True,
    pages: str = "all",
    meter: Meter | None = None,
    progress: Callable[[str], OnProgress] = lambda what: no_progress,
    note: Say = _log.warning,
) -> Found:
    """Search many pictures for one thing, each by itself.

    `out` gets `hits.jsonl` (a line for every picture), `hits.csv`, `coco.json` (the boxes) and `index.html`
    (a contact sheet; a click opens a search). What is there already is kept: a search that was stopped or
    killed goes on, and pictures may be added. Nothing outside `places` is read.

    Args:
        query: a phrase such as `red star with a 7`, or a question.
        places: files, folders, patterns such as `photos/**/*.jpg`, zip and tar archives, and videos, of which
            each frame is a picture (extra `video`).
        policy: who decides: a text such as `api:URL#MODEL`, a `PolicySpec`, or a policy that is loaded.
        turns: how many turns the search of a picture may take.
        limit: only the first so many pictures.
        like: a picture of what is looked for: those that look like it are searched first (extra `similar`).
            The policy does not see it; it verifies what the query says.
        top: only so many of those that look most like it are searched.
        every: seconds between the frames of a clip that are looked at, beside those at cuts; a frame that
            shows the same as the one before it is left out.
        finer: around each hit in a clip so many more frames before it and after it, up to the next look.
        concurrent: searches at the same time.
        near: search a picture once that is there in several sizes or compressions; else only files with the
            same content are searched once.
        pages: which searches get a page of their own: `all`, `found` or `none`.
        meter: counts what is asked for and knows the prices. Where its budget is spent, nothing more is
            searched, `Found.halted` says so, and a later call with a larger one goes on.
        progress: makes what is told of the progress of something.
        note: gets what one should know besides; else it is logged.

    Raises:
        UserError: something of these cannot be used, there is no picture, or `out` holds another search.
        Interrupted: it was interrupted; what is known is written, and in the exception.
    """
    if pages not in PAGES:
        raise SettingError("pages", f"choose one of {', '.join(PAGES)}", pages)
    if not every > 0:
        raise SettingError("every", "must be more than 0 seconds", every)
    if finer < 0:
        raise SettingError("finer", "must be 0 or more", finer)
    if top is not None and like is None:
        raise SettingError("top", "goes by the likeness to an example; give one as `like`, or take `limit`")
    folder = Path(out)
    has_files = folder.is_dir() and any(not name.startswith(".") for name in os.listdir(folder))
    if has_files and not (folder / RESULT_FILE).exists():
        raise UserError(f"{folder}: is not empty, and no search is in it; give another `out` folder")
    if isinstance(policy, str):
        policy = PolicySpec(policy)
    # Asked before a model is loaded, so that a query that nano does not know is refused at once.
    name = policy.policy if isinstance(policy, PolicySpec) else policy.name
    asked = query_for(query, name, "" if isinstance(policy, PolicySpec) else policy.profile.name)
    with folder_lock(folder), list_sources(places, skip=folder, scratch=folder) as sources:
        if isinstance(policy, PolicySpec):
            policy = load_policy(replace(policy.drawn(1), concurrency=concurrent), say=note)
            asked = query_for(query, policy.name, policy.profile.name)
        ensure_same_record(folder / RESULT_FILE, _settings(asked, policy, turns), what="a search")
        make_folder(folder / FOLDER)
        take_in_frames(sources, folder, every, progress("clips taken apart"))
        chosen = sources.pictures[:limit]
        seen = list(survey(chosen, folder, near=near, progress=progress("pictures looked at")))
        bad = [*sources.bad.values(), *(one.error for one in seen if one.error)]
        for line in bad[:_NAMED]:
            note(line)
        if len(bad) > _NAMED:
            note(f"{len(bad) - _NAMED} more files cannot be read; hits.jsonl names them all")
        search = Search(asked, policy, Limits(turns=turns), folder, pages, meter or Meter())
        wanted = [one for one in seen if one.error is None and one.copy_of is None]
        alike: dict[str, float] = {}
        if like is not None:
            alike = similarities(Path(like), wanted, folder, progress=progress("pictures compared"))
            wanted = sorted(wanted, key=lambda one: -alike.get(one.digest, -1.0))
        left_out = sources.left_out + Counter({"less similar pictures": len(wanted[top:]) if top else 0})
        wanted = wanted[:top]
        failure: BaseException | None = None
        try:
            run_coroutine(search.run(wanted, concurrent, progress("pictures searched")))
            hits = [one.source for one in wanted if search.is_found(one)]
            more = frames_around(sources.clips, hits, folder, every, finer) if finer else []
            if more and not search.halted:
                again = survey([*chosen, *more], folder, near=near, progress=progress("frames looked at"))
                seen = list(again)
                closer = [one for one in seen[len(chosen) :] if one.error is None and one.copy_of is None]
                wanted += closer
                run_coroutine(search.run(closer, concurrent, progress("frames around hits searched")))
        except (KeyboardInterrupt, Exception) as error:
            failure = error  # a full disk, no memory left ...: what is known is written first
        halted = None if all(map(search.is_done, wanted)) else search.halted
        unread = [Result(name, "failed", (0, 0), error=why) for name, why in sources.bad.items()]
        found = Found(
            query=asked,
            results=tuple(ranked([*search.results(seen, alike), *unread])),
            left_out=tuple(left_out_words(left_out)),
            folder=folder,
            is_whole=failure is None and halted is None,
            halted=halted,
        )
        write_results(folder, asked.text, found.results)
        write_gallery(folder, asked.text, found.results, found.lines())
        if isinstance(failure, KeyboardInterrupt):
            raise Interrupted(found) from None
        if failure is not None:
            raise failure
        return found


def _settings(query: Query, policy: Policy, turns: int) -> dict[str, Any]:
    """What makes two searches the same one."""
    return {
        "query": query.text,
        "question": query.question,
        "policy": policy.name,
        "weights": getattr(policy, "weights", None),
        "profile": f"{policy.profile.name}@{policy.profile.hash}",
        "dialect": policy.profile.dialect,
        "budget": policy.budget.to_dict(),
        "turns": turns,
    }
