"""Holding the champion: load it, keep it, swap it for the next one, and outlive the registry.

A new version is downloaded, loaded and warmed in the watching thread; then one attribute is swapped, so
that every answer comes from exactly one version. A version that cannot be loaded is left alone and the
present one stays. The last good version rests in the cache folder for the day the registry is silent.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from hki_ml.errors import ArtifactRefused, HkiError, NotFound
from hki_ml.ledger import Experiment
from hki_ml.ports import ModelRegistry, ModelVersion
from hki_ml.serving.split import Split

log = structlog.get_logger()
M = TypeVar("M")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


class Experiments(Protocol):
    """Where an experiment is found, and where its end is written down."""

    def running(self, model: str) -> Experiment | None:
        """Return the experiment of a model that runs now."""
        ...

    def stop(self, experiment: Experiment, reason: str) -> None:
        """Write down that it ended, once, whoever else says so too."""
        ...


@dataclass(frozen=True, slots=True)
class Held(Generic[M]):
    """What serves: the model, its version, and whether only the cache could be asked for it."""

    model: M
    version: str
    is_last_good: bool = False
    folder: Path | None = None


class ModelHolder(Generic[M]):
    """Holds one model's champion; ``held`` is ``None`` until one is loaded.

    ``has_looked`` is true once the watching thread has asked for one.

    Parameters
    ----------
    name
        The model in the registry.
    registry
        Called on the watching thread only.
    load
        Turns (folder, version) into a model that is ready to answer, warm-up included.
    cache
        Folder of the last good versions; services on one machine may share it.
    experiments
        What says which experiment runs, and takes word of one that had to stop; on the watching thread.
    """

    def __init__(
        self,
        name: str,
        *,
        registry: Callable[[], ModelRegistry],
        load: Callable[[Path, str], M],
        cache: Path,
        experiments: Experiments | None = None,
    ) -> None:
        self.name = name
        self.held: Held[M] | None = None
        self.split: Split | None = None
        self._experiments = experiments
        self.has_looked = False
        self._registry = registry
        self._load = load
        self._cache = cache / name
        self._refused: str | None = None
        self._former: Held[M] | None = None
        self._out: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, every_seconds: float) -> None:
        """Start the thread that loads the champion now and looks for a new one ever after."""
        self._thread = threading.Thread(
            target=self._watch, args=(every_seconds,), name=f"watch-{self.name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the watching thread and wait for it, at most five seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _watch(self, every_seconds: float) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
                self.refresh_split()
            except Exception:  # a thread's door: it must live on and try again
                log.exception("model_refresh_failed", model=self.name)
            self.has_looked = True
            self._stop.wait(every_seconds if self.held else min(1.0, every_seconds))

    def refresh(self) -> bool:
        """Look the champion up once; return whether what serves was swapped."""
        try:
            champion = self._registry().resolve(self.name, "champion")
        except (HkiError, OSError) as error:
            log.warning("registry_silent", model=self.name, error=str(error))
            return self._from_cache()
        if champion is None or champion.version == self._refused:
            return False
        held = self.held
        if held is not None and held.version == champion.version:
            if held.is_last_good:
                self.held = replace(held, is_last_good=False)
            return False
        former = self._former
        if former is not None and former.version == champion.version:
            with self._alone():
                self._swap(replace(former, is_last_good=False))
            return True
        return self._take(champion)

    def _take(self, champion: ModelVersion) -> bool:
        try:
            with self._alone():
                folder = self._folder(champion)
                model = self._load(folder, champion.version)
                self._swap(Held(model, champion.version, folder=folder))
        except (ArtifactRefused, ValueError):
            self._refused = champion.version
            log.exception("model_refused", model=self.name, version=champion.version)
            return self.held is None and self._from_cache()
        except (HkiError, OSError) as error:
            log.warning("model_download_failed", model=self.name, error=str(error))
            return self._from_cache()
        return True

    def refresh_split(self) -> None:
        """Look once which experiment runs, and hold its challenger while some get its answers."""
        split, held = self.split, self.held
        if split is not None and split.tripped is not None and self._experiments is not None:
            self.split = None
            log.error("experiment_tripped", model=self.name, reason=split.tripped)
            self._experiments.stop(split.experiment, split.tripped)
        running = None if self._experiments is None else self._experiments.running(self.name)
        if (
            running is None
            or held is None
            or running.champion != held.version
            or running.share <= 0
            or running.name in self._out
        ):
            self.split = None
        elif split is None or split.experiment.challenger != running.challenger:
            self._begin(running)
        elif split.experiment != running:
            self.split = Split(running, split.model, split.failures)

    def _begin(self, running: Experiment) -> None:
        try:
            version = self._registry().version(self.name, running.challenger)
            with self._alone():
                model = self._load(self._folder(version), version.version)
        except (ArtifactRefused, NotFound, ValueError) as error:
            self._out.add(running.name)
            log.exception("challenger_refused", model=self.name, version=running.challenger)
            if self._experiments is not None:
                self._experiments.stop(running, f"it cannot be loaded: {error}")
            return
        except (HkiError, OSError) as error:  # nobody's fault in it: the next look tries again
            log.warning("challenger_download_failed", model=self.name, error=str(error))
            return
        self.split = Split(running, model)
        log.info("experiment_begun", model=self.name, version=running.challenger)

    def _swap(self, held: Held[M]) -> None:
        """Let another version answer; the one before stays warm, for the day it is wanted back."""
        self._former, self.held = self.held, held
        self._remember(held)
        log.info("model_swapped", model=self.name, version=held.version)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the cache of this model against the other services that share it."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _folder(self, champion: ModelVersion) -> Path:
        if not _VERSION.fullmatch(champion.version):
            raise ArtifactRefused(f"expected a plain version name, got {champion.version!r}")
        into = self._cache / champion.version
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        folder = self._registry().download(champion, into)
        if not folder.is_relative_to(into):
            raise ArtifactRefused(f"expected the files below {into}, got {folder}")
        return folder

    def _remember(self, held: Held[M]) -> None:
        """Note the last good version; the folders of all but it and the one before may go."""
        if held.folder is None:
            return
        note = self._cache / "last_good.json"
        draft = note.with_suffix(".draft")
        inside = str(held.folder.resolve().relative_to(self._cache.resolve()))
        draft.write_text(json.dumps({"version": held.version, "folder": inside}))
        os.replace(draft, note)  # noqa: PTH105 - the atomic swap is the point
        for other in self._cache.iterdir():
            kept = {each.version for each in (held, self._former) if each is not None}
            if self.split is not None:
                kept.add(self.split.experiment.challenger)
            if other.is_dir() and other.name not in kept:
                shutil.rmtree(other, ignore_errors=True)

    def _from_cache(self) -> bool:
        """Load the last good version if nothing serves yet; it is told in every answer."""
        if self.held is not None:
            return False
        try:
            note = json.loads((self._cache / "last_good.json").read_text())
            folder = (self._cache / note["folder"]).resolve()
            if not folder.is_relative_to(self._cache.resolve()):
                raise ArtifactRefused(f"expected a folder of the cache, got {folder}")
            with self._alone():
                model = self._load(folder, note["version"])
        except (HkiError, OSError, ValueError, KeyError) as error:
            log.warning("no_last_good_model", model=self.name, error=str(error))
            return False
        self.held = Held(model, note["version"], is_last_good=True, folder=folder)
        log.warning("serving_last_good_model", model=self.name, version=note["version"])
        return True
