"""German, French and Spanish to the words that are rules: colours, things, prices, "without".

Whatever is no word of these tables stays as it was typed. What a catalogue calls by a word of its
own stays that word, in any language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

# English, then the words of German, French and Spanish; those that stand apart are joined by _
_COLOURS = """
red: rot roter rote rotes roten rotem | rouge rouges | rojo roja rojos rojas
blue: blau blauer blaue blaues blauen blauem | bleu bleue bleus bleues | azul azules
green: grün grüner grüne grünes grünen grünem | vert verte verts vertes | verde verdes
yellow: gelb gelber gelbe gelbes gelben gelbem
yellow: jaune jaunes | amarillo amarilla amarillos amarillas
white: weiß weißer weiße weißes weißen weißem
white: blanc blanche blancs blanches | blanco blanca blancos blancas
black: schwarz schwarzer schwarze schwarzes schwarzen schwarzem
black: noir noire noirs noires | negro negra negros negras
grey: grau grauer graue graues grauen grauem | gris grise grises |
brown: braun brauner braune braunes braunen braunem
brown: brun brune bruns brunes marron marrons | marrón marrones
pink: rosafarben rosafarbene rosafarbenes | rosé rosée | rosado rosada rosados rosadas rosa rosas
purple: lila violett violette violettes violetten | mauve | morado morada morados moradas violeta
orange: orangefarben orangefarbene orangefarbenes | | naranja naranjas anaranjado
dark grey: dunkelgrau dunkelgraue dunkelgraues dunkelgrauer anthrazit | gris_foncé | gris_oscuro
light grey: hellgrau hellgraue hellgraues hellgrauer | gris_clair | gris_claro
dark blue: dunkelblau dunkelblaue dunkelblaues dunkelblauer | bleu_foncé bleu_marine | azul_oscuro
light blue: hellblau hellblaue hellblaues hellblauer | bleu_clair bleu_ciel | azul_claro celeste
dark green: dunkelgrün dunkelgrüne dunkelgrünes | vert_foncé | verde_oscuro
dark brown: dunkelbraun dunkelbraune dunkelbraunes | brun_foncé marron_foncé | marrón_oscuro
silver: silbern silberne silbernes silberfarben | argenté argentée | plateado plateada
gold: golden goldene goldenes goldfarben | doré dorée dorés dorées | dorado dorada dorados doradas
"""
_THINGS = """
sofa: sofas couch | canapé canapés sofa | sofá sofás
sofa bed: schlafsofa schlafcouch | canapé-lit canapé_convertible | sofá_cama
armchair: sessel | fauteuil fauteuils | sillón sillones butaca butacas
chair: stuhl stühle | chaise chaises | silla sillas
stool: hocker | tabouret tabourets | taburete taburetes
table: tisch tische esstisch | table tables | mesa mesas
coffee table: couchtisch couchtische | table_basse tables_basses | mesa_de_centro
bedside table: nachttisch nachttische | table_de_chevet | mesita_de_noche mesilla
desk: schreibtisch schreibtische | bureau bureaux | escritorio escritorios
bed: bett betten | lit lits | cama camas
mattress: matratze matratzen | matelas | colchón colchones
wardrobe: kleiderschrank kleiderschränke | armoire armoires penderie | armario armarios ropero
cabinet: schrank schränke | | gabinete
chest of drawers: kommode kommoden | commode commodes | cómoda cómodas
bookcase: bücherregal bücherregale | bibliothèque | librería estantería
shelf: regal regale | étagère étagères | estante estantes
lamp: lampe lampen leuchte leuchten | lampe lampes | lámpara lámparas
floor lamp: stehlampe stehlampen stehleuchte | lampadaire lampadaires | lámpara_de_pie
pendant lamp: hängelampe hängeleuchte pendelleuchte | suspension suspensions | lámpara_colgante
rug: teppich teppiche | tapis | alfombra alfombras
mirror: spiegel | miroir miroirs | espejo espejos
curtain: vorhang vorhänge gardine gardinen | rideau rideaux | cortina cortinas
cushion: kissen | coussin coussins | cojín cojines
bench: sitzbank | banc bancs | banco bancos
vase: vasen | | jarrón jarrones florero
towel: handtuch handtücher | serviette_de_bain | toalla toallas
picture frame: bilderrahmen | cadre cadres | marco_de_fotos
bag: tasche taschen handtasche | sac sacs | bolso bolsos
shoes: schuhe schuh | chaussures chaussure | zapatos zapato
boots: stiefel | bottes botte | botas bota
dress: kleid kleider | robe robes | vestido vestidos
shirt: hemd hemden | chemise chemises | camisa camisas
trousers: hose hosen | pantalon pantalons | pantalón pantalones
skirt: röcke | jupe jupes | falda faldas
jacket: jacke jacken | veste vestes | chaqueta chaquetas
coat: mäntel | manteau manteaux | abrigo abrigos
hat: hut hüte | chapeau chapeaux | sombrero sombreros
"""
_NUMBER = r"(?=\s*(?:[$€£]|eur|usd|chf)?\s*\d)"
# what is said of prices, before a number; the longer first
_RULES = tuple(
    (re.compile(rf"(?<!\w)(?:{pattern})"), english)
    for pattern, english in (
        (rf"(?:unter|weniger als|günstiger als|moins de|sous|menos de){_NUMBER}", "under"),
        (rf"(?:über|mehr als|plus de|más de|mas de){_NUMBER}", "over"),
        (
            rf"(?:höchstens|bis zu|bis|jusqu['’]à|au plus|hasta|como máximo|máximo){_NUMBER}",
            "up to",
        ),
        (rf"(?:mindestens|au moins|al menos|mínimo){_NUMBER}", "at least"),
        (rf"(?:ab|à partir de|dès|desde|a partir de){_NUMBER}", "at least"),
        (rf"(?:zwischen|entre){_NUMBER}", "between"),
        (
            r"(?:auf lager|vorrätig|lieferbar|en stock|en existencia|disponibles?|verfügbar)(?!\w)",
            "in stock",
        ),
        (r"(?:ausverkauft|épuisée?|agotad[oa])(?!\w)", "sold out"),
        (r"(?:ohne|sin|pas d['’])(?!\w)\s*", "without "),
        (r"(?:kein(?:e[nmrs]?)?|nicht|pas de|pas)(?!\w)", "not"),
        (r"weder(?!\w)", "neither"),
        (r"(?:au lieu de|statt|anstatt|en lugar de|en vez de)(?!\w)", "instead of"),
        (r"(?:außer|sauf|excepto|salvo)(?!\w)", "except"),
    )
)
# what holds a text together once it is in one of these languages; "noch" and "ni" go on negating
_JOINTS = {
    **dict.fromkeys(("und", "et", "y"), "and"),
    **dict.fromkeys(("oder", "ou", "o"), "or"),
    **dict.fromkeys(("noch", "ni"), "nor"),
    **dict.fromkeys(
        (
            *("der", "die", "das", "den", "dem", "ein", "eine", "einen", "einem", "einer", "mit"),
            *("für", "aus", "von", "im", "le", "la", "les", "un", "une", "des", "du", "de", "d"),
            *("avec", "pour", "en", "el", "los", "las", "unos", "unas", "una", "con", "para"),
        ),
        "",
    ),
}
# words of English too, and of a catalogue in English: no sign of a language by themselves
_ENGLISH_TOO = frozenset(
    {
        *("couch", "table", "tables", "sofa", "sofas", "lit", "lits", "chaise", "bureau", "robe"),
        *("robes", "hut", "lila", "mauve", "commode", "regal", "golden", "suspension"),
        *("suspensions", "orange"),
    }
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LONGEST = 3


def in_english(text: str, known: Callable[[str], bool]) -> tuple[str, tuple[str, ...]]:
    """A text with the words that are rules in English, and how they were read.

    Args:
        text: lower case.
        known: whether a catalogue has a category by a name; such a word stays.

    >>> in_english("rotes sofa ohne armlehnen unter 100 €", lambda word: word == "sofa")[0]
    'red sofa without armlehnen under 100 €'
    >>> in_english("floor lamp", lambda word: False)
    ('floor lamp', ())
    """
    ruled = text
    for pattern, english in _RULES:
        ruled = pattern.sub(english, ruled)
    words = list(_WORD.finditer(ruled))
    named = [found.group() for found in words]
    taken: list[tuple[int, int, str]] = []
    sure, place = ruled != text, 0
    while place < len(named):
        length, english = _longest(named[place:], known)
        if length:
            sure = sure or " ".join(named[place : place + length]) not in _ENGLISH_TOO
            taken.append((words[place].start(), words[place + length - 1].end(), english))
        place += max(length, 1)
    if not sure:
        return text, ()
    for found in words:
        if not any(low <= found.start() < high for low, high, _ in taken):
            joint = _JOINTS.get(found.group())
            if joint is not None and not known(found.group()):
                taken.append((*found.span(), joint))
    read = ruled
    for low, high, english in sorted(taken, reverse=True):
        read = read[:low] + english + read[high:]
    read = " ".join(read.split())
    return read, (f"read as {read!r}",)


def _longest(words: list[str], known: Callable[[str], bool]) -> tuple[int, str]:
    """How many of the first words are one of a table, and what a catalogue may call it."""
    for length in range(min(_LONGEST, len(words)), 0, -1):
        said = " ".join(words[:length])
        if known(said):
            return 0, ""
        colour = _colours().get(_plain(said))
        if colour is not None:
            return length, colour
        names = _things().get(_plain(said))
        if names is not None:
            called = next((name for name in names if known(name)), names[0])
            return (length, called) if called != said else (0, "")
    return 0, ""


def _plain(word: str) -> str:
    """Without accents, as people type."""
    word = word.replace("ß", "ss").replace("_", " ")
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


@cache
def _colours() -> dict[str, str]:
    return {word: english for english, words in _rows(_COLOURS) for word in map(_plain, words)}


@cache
def _things() -> dict[str, tuple[str, ...]]:
    """Every word of the table to what else its thing is called, the English name first."""
    return {
        _plain(word): (english, *(one.replace("_", " ") for one in words))
        for english, words in _rows(_THINGS)
        for word in (english, *words)
    }


def _rows(table: str) -> list[tuple[str, list[str]]]:
    """English, and the words of the other languages."""
    rows = (line.split(":") for line in table.strip().splitlines())
    return [(name, words.replace("|", " ").split()) for name, words in rows]
