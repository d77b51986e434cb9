"""What can be said of a search."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fusion = Literal["best_rank", "share", "reciprocal_rank", "best_score"]
Boost = Annotated[float, Field(ge=-1, le=1)]
Share = float


class SearchSettings(BaseModel):
    """How answers are made; each can be set for one search too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=1000)
    per_region: int = Field(8, ge=0, le=200)
    candidates: int = Field(200, ge=1, le=1000)
    preset: str = "similar"
    fusion: Fusion = "best_rank"
    expansion: int = Field(0, ge=0, le=50)
    expansion_floor: float = Field(0.5, ge=-1, le=1)
    diversity: Share = Field(0.0, ge=0, le=1)
    diversity_field: str | None = None
    score_min: float | None = Field(None, ge=-1, le=1)
    familiarity_min: Share = Field(0.01, ge=0, le=1)
    """Regions stranger to the catalogue than this are answered with "no good match"."""
    agreement: Share = Field(0.0, ge=0, le=1)
    agreement_field: str = "category"
    rerank: int = Field(0, ge=0, le=200)
    """The best of each object's list that are compared again, part by part; needs kind: timm."""
    rerank_weight: Share = Field(0.5, ge=0, le=1)
    boosts: dict[str, Boost] = {}
    """What fields add to the similarity: a filter, or a field with numbers, to a weight."""
    collapse: str | None = None
    facets: tuple[str, ...] = ()
