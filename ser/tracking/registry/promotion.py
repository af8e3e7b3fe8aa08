"""Promotion of a version to `champion` if it is better by a rule, and rollback to the champion before.

The alias `champion` and the tag `ser.champion_before` of its version are the source of truth; the alias `previous`
follows from them. So the next process corrects what a process left that was killed between two of its requests.
`ser.tracking.registry.lock` describes the changes that a paused process can still make.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from ser.errors import UserError
from ser.tracking.registry.lock import Lock, LockLostError, lock_model
from ser.tracking.registry.promotion_rule import CHAMPION, Verdict, compare_runs
from ser.tracking.registry.versions import Versions
from ser.tracking.tags import CHAMPION_BEFORE, ROLLED_BACK

PREVIOUS = "previous"
"""Alias of the champion before."""


@dataclass(frozen=True)
class Promotion:
    """Result of a promotion.

    Attributes:
        verdict: decision on the candidate.
        champion: the champion after it; None if there is none, as in a dry run without a champion.
        before: the champion before it; None if there was none.
    """

    verdict: Verdict
    champion: ModelVersion | None
    before: ModelVersion | None

    @property
    def summary(self) -> str:
        """Result and reason in one line."""
        now, was = _get_number(self.champion), _get_number(self.before)
        if now != was:
            moves = f"moves to version {now}"
        elif self.verdict.better:
            moves = f"would move from version {was} to the candidate" if was else "would be the candidate"
        else:
            moves = f"stays at version {was}"
        return f"{CHAMPION} {moves}: {self.verdict.reason}"


def promote(versions: Versions, candidate: Run, *, force: bool = False, dry_run: bool = False) -> Promotion:
    """Make the version of a run the champion if it is better, or if there is no champion.

    Args:
        versions: versions of the corpus.
        candidate: a completed run; it is registered if it has no version.
        force: promote it even if it is not better.
        dry_run: change nothing.

    Returns:
        The decision, and the champions after and before it.

    Raises:
        UserError: the run has no model, something that is not `ser` moves the alias at the same time, or this
            process was paused while it moved the alias.
    """
    while True:
        before = versions.find_by_alias(CHAMPION)
        verdict = _decide(versions, candidate, before, force=force)
        if dry_run or not verdict.better:
            return Promotion(verdict, before, before)
        version = versions.register_run(candidate)
        # If another process moved the champion first, the candidate is compared again with the new one.
        with suppress(LockLostError), lock_model(versions.client, versions.name) as lock:
            if _get_number(versions.find_by_alias(CHAMPION)) == _get_number(before):
                _move_champion(versions, lock, version, before)
                return Promotion(verdict, version, before)


def roll_back(versions: Versions) -> tuple[ModelVersion, ModelVersion]:
    """Make the champion before the current one champion again; a second call goes back further.

    A version that was rolled back becomes champion again only by force.

    Args:
        versions: versions of the corpus.

    Returns:
        The champion now, and the one that was rolled back.

    Raises:
        UserError: there is no champion, or none before it, or this process was paused in the middle.
    """
    try:
        with lock_model(versions.client, versions.name) as lock:
            return _roll_back_locked(versions, lock)
    except LockLostError:
        raise _make_pause_error(versions) from None


def _roll_back_locked(versions: Versions, lock: Lock) -> tuple[ModelVersion, ModelVersion]:
    champion = versions.find_by_alias(CHAMPION)
    if champion is None:
        raise UserError(
            f"{versions.name} has no champion to roll back", "promote a run by python tune/promote.py --run ID"
        )
    previous = _update_previous(versions, lock, champion)
    if previous is None:
        raise UserError(
            f"{versions.name} has no champion before version {champion.version}",
            "promote another by python tune/promote.py --run ID --force",
        )
    _set_tag(versions, lock, champion, ROLLED_BACK, f"{time.strftime('%Y-%m-%d %H:%M:%S')}")
    _point_champion(versions, lock, previous)
    return previous, champion


def _decide(versions: Versions, candidate: Run, champion: ModelVersion | None, *, force: bool) -> Verdict:
    if champion is None:
        return Verdict(True, "there is no champion yet")
    registered = versions.find_by_run(candidate)
    if registered is not None and _get_number(registered) == _get_number(champion):
        return Verdict(False, "the candidate is the champion already")
    verdict = compare_runs(versions.client, candidate, versions.read_run(str(champion.run_id)))
    if force:
        return replace(verdict, better=True, reason=f"by force, for {verdict.reason}")
    if verdict.better and registered is not None and ROLLED_BACK in registered.tags:
        when = registered.tags[ROLLED_BACK]
        return replace(verdict, better=False, reason=f"{verdict.reason}, but was rolled back on {when}")
    return verdict


def _move_champion(versions: Versions, lock: Lock, version: ModelVersion, before: ModelVersion | None) -> None:
    if before is not None and _get_number(before) != _get_number(version):
        _set_tag(versions, lock, version, CHAMPION_BEFORE, str(before.version))
    if ROLLED_BACK in version.tags:
        lock.confirm()
        versions.client.delete_model_version_tag(versions.name, str(version.version), ROLLED_BACK)
    _point_champion(versions, lock, version)


def _point_champion(versions: Versions, lock: Lock, version: ModelVersion) -> None:
    lock.confirm()
    versions.point_alias(CHAMPION, version)
    try:
        lock.confirm()
    except LockLostError:
        raise _make_pause_error(versions) from None
    now = versions.find_by_alias(CHAMPION)
    if now is None or _get_number(now) != _get_number(version):
        raise UserError(
            f"something else moved the alias {CHAMPION} of {versions.name} at the same time",
            "look at it in MLflow, then try again",
        )
    # The champion has moved already; the next promotion or rollback corrects a missing `previous`.
    with suppress(LockLostError):
        _update_previous(versions, lock, now)


def _update_previous(versions: Versions, lock: Lock, champion: ModelVersion) -> ModelVersion | None:
    """Point `previous` to the champion before this one, and return that."""
    previous = _find_champion_before(versions, champion)
    if previous is not None:
        lock.confirm()
        versions.point_alias(PREVIOUS, previous)
    elif versions.find_by_alias(PREVIOUS) is not None:
        lock.confirm()
        versions.client.delete_registered_model_alias(versions.name, PREVIOUS)
    return previous


def _find_champion_before(versions: Versions, champion: ModelVersion) -> ModelVersion | None:
    """Find the last champion before this one that was not rolled back."""
    # A version that became champion again by force is met twice.
    visited: set[str] = set()
    version: ModelVersion | None = champion
    while version is not None and _get_number(version) not in visited:
        if visited and ROLLED_BACK not in version.tags:
            return version
        visited.add(_get_number(version))
        number = version.tags.get(CHAMPION_BEFORE)
        version = versions.find_by_number(number) if number else None
    return None


def _make_pause_error(versions: Versions) -> UserError:
    return UserError(
        f"this process was paused for so long that another may have changed the aliases of {versions.name} meanwhile, "
        f"and {CHAMPION} may have moved",
        "look at both aliases in MLflow, then run the command again if needed",
    )


def _set_tag(versions: Versions, lock: Lock, version: ModelVersion, name: str, value: str) -> None:
    lock.confirm()
    versions.client.set_model_version_tag(versions.name, str(version.version), name, value)


def _get_number(version: ModelVersion | None) -> str:
    return "" if version is None else str(version.version)
