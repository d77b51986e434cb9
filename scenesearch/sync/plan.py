"""What a sync is about to do, and whether it may. Pure code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scenesearch.core.types import FieldType
from scenesearch.index.plan import IndexPlan, ItemPlan, photos_to_write


@dataclass(frozen=True, slots=True)
class SyncRules:
    """What a sync may do.

    Attributes:
        max_delete: largest share of the stored items that may be deleted, 0 to 1.
        allow_mass_delete: delete any number, also all because the manifest is empty.
        audit: look whether new items have photos that another item has.
        audit_strict: leave new items out when all of their photos are another item's.
        near: bits of 64 in which the perceptual hashes of nearly equal photos may differ, 0 to
            11; 0 still finds equal hashes.
    """

    max_delete: float = 0.5
    allow_mass_delete: bool = False
    audit: bool = True
    audit_strict: bool = False
    near: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.max_delete <= 1:
            raise ValueError(f"max_delete must be a share, 0 to 1, got {self.max_delete}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A photo of a new item that another item has too.

    Attributes:
        item_id: the new item.
        photo: its photo.
        like: the other item: stored, or earlier in the manifest.
        like_photo: its photo.
        same: the files are equal byte for byte.
        distance: bits of 64 in which their perceptual hashes differ; 0 where ``same``.
    """

    item_id: str
    photo: str
    like: str
    like_photo: str
    same: bool
    distance: int = 0

    def __str__(self) -> str:
        how = "same photo" if self.same else f"nearly the same photo, {self.distance} bits of 64"
        return f"{self.item_id} looks like {self.like} ({how}): {self.photo}, {self.like_photo}"


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Everything a sync is about to do.

    Attributes:
        index: what is handed to the indexer; its ``gone`` is what will be deleted.
        fields: types of the manifest's attributes.
        stored: how many items the collection holds now.
        kept: items that would be deleted, but whose rows are only broken.
        postponed: items that would be deleted, if there were no rows whose id cannot be read:
            any of these could be theirs.
        nameless_rows: how many such rows there are.
        findings: what the duplicate audit found.
        left_out: new items that are not inserted because of it.
        refusal: why this may not be done; None where it may.
    """

    index: IndexPlan
    fields: Mapping[str, FieldType]
    stored: int
    kept: tuple[str, ...] = ()
    postponed: tuple[str, ...] = ()
    nameless_rows: int = 0
    findings: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def insert(self) -> tuple[str, ...]:
        """New items."""
        return self._ids("insert")

    @property
    def update(self) -> tuple[str, ...]:
        """Items whose photos changed."""
        return self._ids("update")

    @property
    def attributes(self) -> tuple[str, ...]:
        """Items of which nothing but attributes changed; nothing is embedded for them."""
        return self._ids("attributes")

    @property
    def moved(self) -> tuple[str, ...]:
        """Items whose photos only have another path, or another order."""
        return self._ids("moved")

    @property
    def delete(self) -> tuple[str, ...]:
        """Items that the manifest no longer has."""
        return self.index.gone

    @property
    def unchanged(self) -> int:
        """How many items need nothing."""
        return self.index.unchanged

    @property
    def photos_to_embed(self) -> int:
        """Photos whose content is new; those in the embedding cache are not embedded again."""
        return photos_to_write(self.index.items)

    def _ids(self, kind: str) -> tuple[str, ...]:
        return tuple(plan.item.id for plan in self.index.items if kind_of(plan) == kind)


def kind_of(plan: ItemPlan) -> str:
    """``insert``, ``update``, ``attributes`` or ``moved``: the most that happens to an item."""
    if not plan.known:
        return "insert"
    if plan.write or plan.stale:
        return "update"
    return "attributes" if plan.patch else "moved"


def spare(
    plan: IndexPlan, broken: frozenset[str], nameless: int
) -> tuple[IndexPlan, tuple[str, ...], tuple[str, ...]]:
    """Take from what would be deleted whatever a broken row may be about.

    Args:
        plan: with ``gone`` as if broken rows were not there.
        broken: ids of broken rows.
        nameless: how many broken rows have no readable id.

    Returns:
        The plan with only what may be deleted as ``gone``; then what is kept and what is
        postponed, as in :class:`SyncPlan`.
    """
    kept = tuple(item for item in plan.gone if item in broken)
    rest = tuple(item for item in plan.gone if item not in broken)
    if nameless:
        return replace(plan, gone=()), kept, rest
    return replace(plan, gone=rest), kept, ()


def refusal(gone: int, stored: int, rules: SyncRules) -> str | None:
    """Why so many deletions are refused, or None where they are not.

    >>> refusal(1, 10, SyncRules()) is None
    True
    """
    if rules.allow_mass_delete or not stored or gone <= rules.max_delete * stored:
        return None
    return (
        f"the sync would delete {gone:,} of {stored:,} stored items ({gone / stored:.0%}), "
        f"expected at most {rules.max_delete:.0%}; is the manifest whole? If it is, allow it with "
        f"--allow-mass-delete (allow_mass_delete=True), or raise --max-delete"
    )
