"""Which version is `champion`: moved only to a better one, under a rule, with a way back.

The alias `champion` and the tag `ser.champion_before` of its version are the source of truth; the alias `previous`
follows from them. So a process that is killed between two of its requests leaves nothing that the next one does not
correct. `ser.tracking.registry.lock` says what a process that is paused there can still do.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from ser.errors import UserError
from ser.tracking.registry.comparison import CHAMPION, Verdict, compare_runs
from ser.tracking.registry.lock import Lock, LockLostError, lock_model
from ser.tracking.registry.versions import Versions

PREVIOUS = "previous"

_BEFORE, _ROLLED_BACK = "ser.champion_before", "ser.rolled_back"


@dataclass(frozen=True)
class Promotion:
    """What became of a candidate.

    Attributes:
        verdict: whether the champion moves to it, and why.
        champion: the version that is champion now; None where there is none, as before a dry run.
        before: the version that was.
    """

    verdict: Verdict
    champion: ModelVersion | None
    before: ModelVersion | None

    @property
    def sentence(self) -> str:
        """What became of it, and why."""
        now, was = _number(self.champion), _number(self.before)
        if now != was:
            moves = f"moves to version {now}"
        elif self.verdict.better:
            moves = f"would move from version {was} to the candidate" if was else "would be the candidate"
        else:
            moves = f"stays at version {was}"
        return f"{CHAMPION} {moves}: {self.verdict.reason}"


def promote(versions: Versions, candidate: Run, *, force: bool = False, dry_run: bool = False) -> Promotion:
    """Make a run's version the champion where it is better, or where there is no champion.

    Args:
        versions: of the corpus.
        candidate: a completed run; it becomes a version where it is none.
        force: without being better.
        dry_run: change nothing.

    Raises:
        UserError: the run has no model, something that is not `ser` moves the alias at the same time, or this
            process was paused while it moved the alias.
    """
    while True:
        before = versions.at(CHAMPION)
        verdict = _verdict(versions, candidate, before, force=force)
        if dry_run or not verdict.better:
            return Promotion(verdict, before, before)
        version = versions.of_run(candidate)
        # Where another promotion comes first, this one is judged against that.
        with suppress(LockLostError), lock_model(versions.client, versions.name) as lock:
            if _number(versions.at(CHAMPION)) == _number(before):
                _move(versions, lock, version, before)
                return Promotion(verdict, version, before)


def roll_back(versions: Versions) -> tuple[ModelVersion, ModelVersion]:
    """Make the champion before the champion again: who it is now, and who it was.

    Called again it goes back further. A version that was rolled back is champion again only by force.

    Raises:
        UserError: there is no champion, or none before it, or this process was paused in the middle.
    """
    try:
        with lock_model(versions.client, versions.name) as lock:
            return _go_back(versions, lock)
    except LockLostError:
        raise _paused(versions) from None


def _go_back(versions: Versions, lock: Lock) -> tuple[ModelVersion, ModelVersion]:
    champion = versions.at(CHAMPION)
    if champion is None:
        raise UserError(f"{versions.name} has no champion: there is nothing to go back from")
    previous = _follow(versions, lock, champion)
    if previous is None:
        raise UserError(
            f"{versions.name} has no champion before version {champion.version}: promote another by "
            "python tune/promote.py --run ID --force"
        )
    _tag(versions, lock, champion, _ROLLED_BACK, f"{time.strftime('%Y-%m-%d %H:%M:%S')}")
    _point_champion(versions, lock, previous)
    return previous, champion


def _verdict(versions: Versions, candidate: Run, champion: ModelVersion | None, *, force: bool) -> Verdict:
    if champion is None:
        return Verdict(True, "there is no champion yet")
    known = versions.known(candidate)
    if known is not None and _number(known) == _number(champion):
        return Verdict(False, "the candidate is the champion already")
    verdict = compare_runs(versions.client, candidate, versions.run(str(champion.run_id)))
    if force:
        return replace(verdict, better=True, reason=f"by force, for {verdict.reason}")
    if verdict.better and known is not None and _ROLLED_BACK in known.tags:
        when = known.tags[_ROLLED_BACK]
        return replace(verdict, better=False, reason=f"{verdict.reason}, but was rolled back on {when}")
    return verdict


def _move(versions: Versions, lock: Lock, version: ModelVersion, before: ModelVersion | None) -> None:
    if before is not None and _number(before) != _number(version):
        _tag(versions, lock, version, _BEFORE, str(before.version))
    if _ROLLED_BACK in version.tags:
        lock.confirm()
        versions.client.delete_model_version_tag(versions.name, str(version.version), _ROLLED_BACK)
    _point_champion(versions, lock, version)


def _point_champion(versions: Versions, lock: Lock, version: ModelVersion) -> None:
    lock.confirm()
    versions.point(CHAMPION, version)
    try:
        lock.confirm()
    except LockLostError:
        raise _paused(versions) from None
    now = versions.at(CHAMPION)
    if now is None or _number(now) != _number(version):
        raise UserError(
            f"something else moved the alias {CHAMPION} of {versions.name} at the same time: look at it in MLflow, "
            "then ask again"
        )
    # The champion has moved: what is lost from here on, the next promotion or rollback corrects.
    with suppress(LockLostError):
        _follow(versions, lock, now)


def _follow(versions: Versions, lock: Lock, champion: ModelVersion) -> ModelVersion | None:
    """Point `previous` to the champion before this one, which is returned."""
    previous = _before(versions, champion)
    if previous is not None:
        lock.confirm()
        versions.point(PREVIOUS, previous)
    elif versions.at(PREVIOUS) is not None:
        lock.confirm()
        versions.client.delete_registered_model_alias(versions.name, PREVIOUS)
    return previous


def _before(versions: Versions, champion: ModelVersion) -> ModelVersion | None:
    """The last champion before this one that was not rolled back; a version that came back by force is met twice."""
    met: set[str] = set()
    version: ModelVersion | None = champion
    while version is not None and _number(version) not in met:
        if met and _ROLLED_BACK not in version.tags:
            return version
        met.add(_number(version))
        number = version.tags.get(_BEFORE)
        version = versions.number(number) if number else None
    return None


def _paused(versions: Versions) -> UserError:
    return UserError(
        f"this process was paused for so long that another may have changed the aliases of {versions.name} meanwhile, "
        f"and {CHAMPION} may have moved: look at both aliases in MLflow, then run the command again if needed"
    )


def _tag(versions: Versions, lock: Lock, version: ModelVersion, name: str, value: str) -> None:
    lock.confirm()
    versions.client.set_model_version_tag(versions.name, str(version.version), name, value)


def _number(version: ModelVersion | None) -> str:
    return "" if version is None else str(version.version)
