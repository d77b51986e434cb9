"""Every option of a search, declared once.

The settings section ``search``, the keywords of the front door, the options of the command line,
the bodies of the REST API, its description and docs/options.md are made of this class; after a
change run ``python tools/options.py`` and ``python tools/openapi.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import no_info_plain_validator_function

from scenesearch.config.options import Expected, Number, Offered, Options, Share, Signed, Whole
from scenesearch.core.conditions import Condition

Fusion = Literal["best_rank", "share", "reciprocal_rank", "best_score"]
Preset = Literal["exact", "similar", "category", "style", "colour"]
MAX_NAMES = 32
"""Fields, weights or boosts of one search; texts, items and photos too."""
FieldName = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""A field of the catalogue, such as ``price``."""


def _condition(value: Any) -> Condition:
    if not isinstance(value, get_args(Condition)):
        raise PydanticCustomError("condition", "a filter comes with each search")
    return value  # type: ignore[no-any-return]


_Condition = Annotated[
    Condition,
    # its own schema would be one of every dataclass that a filter can be made of
    GetPydanticSchema(lambda *_: no_info_plain_validator_function(_condition)),
]
Weight = Annotated[Number, Ge(0), Le(100)]
BoostText = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
"""A filter, or a field with numbers."""
EACH = "item_id"
"""What ``collapse`` folds nothing by: no two items have it in common."""


def _for_itself(value: Any) -> Any:
    # settings of before say it so
    return EACH if value is None else value


_Each = AfterValidator(lambda names: tuple(dict.fromkeys(names)))


class WordWeights(Options):
    """Weights of the parts of a search by words; each part scores an item 0 to 1.

    docs/words.md has what these values were chosen by.
    """

    group: ClassVar[str] = "word_weights."

    lexical: Weight = Field(
        1.0, description="Of BM25 over the texts of items, relative to the best of the candidates"
    )
    colour: Weight = Field(
        1.0, description="Of the cosine between the colours asked for and an item's own"
    )
    category: Weight = Field(1.0, description="Of being of a category that was named")
    kind: Weight = Field(
        0.5, description='Share of `category` for "coffee table" where "table" was asked for'
    )
    unwanted: Weight = Field(
        1.0, description="Of not having what is not wanted: a colour, a category, a word"
    )
    vectors: Weight = Field(
        1.0,
        description="Of photos, items, vectors and, where the model reads text, the text itself",
    )
    boost: Weight = Field(
        0.2,
        description="Of all parts of the text together on the objects of a photo, where the "
        "similarity to the object counts 1",
    )


class SearchOptions(Options):
    """How an answer is made.

    Raises:
        QueryError: there is no such option, or a value is not of its type or range.
    """

    apart: ClassVar[frozenset[str]] = frozenset({"where"})

    where: Annotated[
        _Condition | None, Expected(text="a condition; the front door reads filters as text")
    ] = Field(None, description="Filter that every match satisfies")
    limit: Annotated[Whole, Offered(flags=("--limit", "-n"))] = Field(
        20, ge=1, le=1000, description="Matches of the fused list"
    )
    per_region: Annotated[Whole, Offered(of_photos=True)] = Field(
        8, ge=0, le=200, description="Matches of each region's own list"
    )
    candidates: Whole = Field(
        200, ge=1, le=1000, description="Hits asked of the engine for each region and vector space"
    )
    preset: Annotated[Preset, Offered()] = Field(
        "similar",
        description="What similar means: weights of the vector spaces by name",
        examples=["similar"],
    )
    weights: Annotated[
        dict[str, Number] | None,
        Offered(flags=None),
        Expected(text="finite numbers, at least one above 0", code="out_of_range"),
    ] = Field(
        None,
        max_length=MAX_NAMES,
        description="Weights of the vector spaces, instead of a preset",
        examples=[{"cutout": 0.7, "colour": 0.3}],
    )
    catalogue_weight: Annotated[Number, Offered()] = Field(
        0.5,
        ge=0,
        le=100,
        description="Weight of vectors that came with the catalogue, beside those of a preset: "
        "where an item, or such a vector, is asked with; 0 for none",
    )
    fusion: Fusion = Field("best_rank", description="How the regions' lists become one")
    expansion: Annotated[Whole, Offered()] = Field(
        0, ge=0, le=50, description="Neighbours that a query moves towards; 0 for none"
    )
    expansion_floor: Signed = Field(0.5, description="Cosine that a neighbour needs to be trusted")
    diversity: Annotated[Share, Offered()] = Field(
        0.0, description="0 for the best matches, towards 1 for unlike ones"
    )
    diversity_field: Annotated[FieldName | None, Offered()] = Field(
        None, description="Tell likeness by this field instead of by looks"
    )
    score_min: Annotated[Share | None, Offered()] = Field(
        None, description="Matches of a lower score are left out; boosts do not count"
    )
    familiarity_min: Share = Field(
        0.01,
        description=(
            'Regions less at home in the catalogue than this are answered with "no good match": '
            "0.01 refuses what is stranger than 99 % of the catalogue's own photos; 0 for none; "
            "needs an embedder that knows classes"
        ),
    )
    agreement: Share = Field(
        0.0,
        description="Weight of the vote of each region's best items on what category it shows; "
        "0 for none",
    )
    agreement_field: FieldName = Field("category", description="The field that is voted on")
    meaning: Annotated[Share, Offered(of_photos=True)] = Field(
        0.065,
        description="What it adds to the similarity that an item's category, or title, means what "
        "the object was detected as; 0 for none; English names only",
    )
    rerank: Annotated[Whole, Offered(of_photos=True)] = Field(
        0,
        ge=0,
        le=200,
        description="Best items of each object that are compared again, part by part; 0 for none; "
        "needs an embedder of `kind: timm`",
    )
    rerank_weight: Share = Field(0.5, description="How much the second comparison counts")
    boosts: Annotated[
        dict[BoostText | _Condition, Signed],
        Offered(
            flags=("--boost",),
            metavar="WEIGHT: WHAT",
            usage='"0.05: in_stock = true", "0.02: sales"',
        ),
        Expected(
            text=f"at most {MAX_NAMES} conditions or fields by weight, each -1 to 1: "
            '{"in_stock = true": 0.05}',
            code="out_of_range",
        ),
    ] = Field(
        {},
        max_length=MAX_NAMES,
        description="What a filter that holds adds to the similarity, or a field with numbers: "
        "its weight counts `log(1 + value)` times",
        examples=[{"in_stock = true": 0.05}],
    )
    collapse: Annotated[FieldName, BeforeValidator(_for_itself), Offered()] = Field(
        "photo_sha256",
        description="Items with the same value of this field are one match that lists the others, "
        "by default those with the very same photo; `phash`: with nearly the same picture; "
        "`item_id`: none",
    )
    facets: Annotated[
        tuple[FieldName, ...],
        _Each,
        Offered(flags=("--facet",)),
        Expected(text=f"a list of at most {MAX_NAMES} names of fields"),
    ] = Field(
        (),
        max_length=MAX_NAMES,
        description="Fields whose values are counted over the candidates",
        examples=[["category", "colour_names"]],
    )
    suggest: Annotated[Whole, Offered()] = Field(
        0,
        ge=0,
        le=20,
        description="Turns that are suggested for each list, as `refine` takes them: values and "
        "words that split its shown matches well; 0 for none",
    )
    sort: Annotated[FieldName | None, Offered()] = Field(
        None,
        description="Order the fused list, that is the best `candidates`, by this field; `-price` "
        "for falling order",
        examples=["-price"],
    )
    word_weights: Annotated[
        WordWeights, Expected(text=f"numbers by name, of {', '.join(WordWeights.model_fields)}")
    ] = Field(WordWeights(), description="How much each part of the query's words counts")

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is not None and not any(weight > 0 for weight in weights.values()):
            raise ValueError("no weight is above 0")
        return weights

    def changed(self, values: Mapping[str, Any], where: Condition | None = None) -> Self:
        """These with some options of one question.

        Args:
            values: by name; None leaves an option as it is, where None is no value of it.
            where: the filter of the question.

        Raises:
            QueryError: there is no such option, or a value is not of its type or range.
        """
        for name in self.apart & values.keys():
            raise self.unknown(name)
        fields = SearchOptions.model_fields
        given = {
            name: value
            for name, value in values.items()
            if value is not None or name not in fields or fields[name].default is None
        }
        new = SearchOptions(**given)
        update = {name: getattr(new, name) for name in given}
        return self.model_copy(update={**update, "where": where})
