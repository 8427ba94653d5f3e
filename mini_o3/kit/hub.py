"""Repositories of the Hugging Face hub, through huggingface_hub: its cache, its offline switch, its token."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.secrets import remember_secret

_NAME = re.compile(r"(?P<repository>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: What a model needs to run, and no weights in other formats.
MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")


class Repository(NamedTuple):
    """What was fetched: its folder in the cache, and the commit that it is at."""

    name: str
    revision: str
    folder: Path

    def files(self) -> dict[str, str]:
        """Hash of every file by its path: sha256 of a large one, git's own of a small one."""
        return {
            path.relative_to(self.folder).as_posix(): path.resolve().name
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


def is_hub_name(name: str) -> bool:
    """Whether a name is `ORG/NAME` or `ORG/NAME@REVISION`, and no folder here begins as it does."""
    return bool(_NAME.fullmatch(name)) and not Path(name.partition("/")[0]).exists()


def fetch(name: str, kind: str, patterns: Sequence[str] | None = None, what: str = "") -> Repository:
    """The files of `ORG/NAME[@REVISION]` that fit the patterns, fetched unless the cache has them.

    HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and HF_TOKEN count. A large file is compared with its hash.

    Args:
        kind: `model` or `dataset`.
        what: who needs it, to begin a message with.

    Raises:
        UserError: there is no such repository or revision, it may not be read, the hub cannot be reached and
            the cache does not hold it, or a file is damaged.
    """
    what = what or name
    require("hub", what)
    from huggingface_hub import errors, get_token, snapshot_download

    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(f"{what}: {name} is no name on the hub; expected ORG/NAME or ORG/NAME@REVISION")
    if token := get_token():
        remember_secret(token)
    repository, revision, problem = found["repository"], found["revision"], ""
    try:
        folder = Path(
            snapshot_download(
                repository,
                repo_type=kind,
                revision=revision,
                allow_patterns=list(patterns) if patterns else None,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
                tqdm_class=_silent(),
            )
        )
    except errors.GatedRepoError:
        problem = f"{repository} is gated; accept its terms on the hub, then set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        problem = f"the hub has no {kind} {repository}, or it is private: check the name, or set HF_TOKEN"
    except errors.RevisionNotFoundError:
        problem = f"{repository} has no revision {revision}; check what follows the @"
    except (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError) as error:
        cause = _line(error.__cause__ or error)
        hint = "check HF_HUB_OFFLINE, HF_ENDPOINT and the proxies, or fetch it where there is a network"
        problem = f"not in the cache, and the hub cannot be asked ({cause}); {hint}"
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, RuntimeError) as error:
        problem = f"the hub failed ({_line(error)}); try again"
    if problem:
        raise UserError(f"{what}: {problem}")
    fetched = Repository(repository, folder.name, folder)
    for path, digest in fetched.files().items():
        if _SHA256.fullmatch(digest) and _sha256(folder / path) != digest:
            raise UserError(f"{folder / path}: is damaged; delete it, and it is fetched again")
    return fetched


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent() -> type:
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):  # type: ignore[misc]
        """Progress that is shown on a terminal only."""

        def __init__(self, *args: object, **more: object) -> None:
            super().__init__(*args, **{**more, "disable": None})

    return Silent


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
