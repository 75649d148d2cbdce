"""Words that say little of who or what bears a name, by what they are folded to."""

from typing import Final


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LEGAL_FORMS: Final = _set(
    "ltd limited plc llp lp inc incorporated corp corporation llc gmbh mbh ag sa sas sarl srl spa "
    "bv nv ab oy oyj as kg kgaa se cv sl slu cic"
)
"""Folded away at the end of a name, and in front of it; `uk` and `co` are none of them."""
ARTICLES: Final = frozenset({"the"})
JOINING: Final = _set(
    "and of at for in on to de la le du des der den die das van von et y e di da del und royal "
    "koninklijke"
)
"""Said or left out as one likes."""
TELLING: Final = _set("uk gb co holding holdings")
"""By these alone companies of one house differ: where only one has it, a person decides."""
TRADES: Final = _set(
    "electronics technologies technology research industries industry industrial systems services "
    "service solutions products international internationale europe european nederland netherlands "
    "holland dutch british national global group holding holdings company co "
    "association assn society foundation trust institute centre center college school schools "
    "university academy board department council city county public private child children "
    "childrens kids care day daycare learning early childhood development education educational "
    "preschool kindergarten nursery community family house home head start restaurant cafe bar "
    "grill hotel inn kitchen bistro deli energy power renewables solar wind electric electricity "
    "gas water generation developments management investments properties estates partners "
    "partnership ventures engineering construction international church saint st mount mt"
)
"""What an organisation is, rather than which."""
TRADE_ENDS: Final = (
    "fabriek", "fabrieken", "fabriken", "fabrik", "werke", "werken", "werk", "maatschappij",
    "gesellschaft", "bedrijf", "bedrijven", "works",
)  # fmt: skip
"""How words end that say in one what others say in two."""
KINDS: Final = _set(
    "farm park field site station plant power energy solar wind windfarm battery storage hydro "
    "biomass biogas landfill gas generation generator generating electricity scheme project array "
    "photovoltaic photovoltaics pv turbine turbines chp ccgt ocgt gt waste efw recycling facility "
    "anaerobic digestion digester incineration energiecentrale centrale central kraftwerk "
    "kraftwerke kw hkw hpp tpp npp elektrarna elektrownia chpp psw ctcc ciclo combinado "
    "heizkraftwerk cet pumped storage reservoir charge charging point points chargepoint "
    "charger ev rapid car land adjacent near off rear road lane street works estate "
    "industrial business centre center up development unit block bloque blok grupo gr group phase "
    "stage line feeder bank usine "
    "zentrale heizwerk"
)
"""What an asset is, rather than which."""
PARTS: Final = _set(
    "north south east west northern southern eastern western central upper lower inner outer "
    "extension ext annex expansion additional repowering "
    "ii iii iv vi vii viii ix one two three four first second third"
)
"""By these, by numbers and by single letters the parts of one site differ."""
STREETS: Final = _set(
    "street st avenue ave av road rd boulevard blvd drive dr lane ln place pl court ct parkway "
    "pkwy highway hwy square sq terrace ter crescent close way circuit cct floor suite ste "
    "strasse str rue via calle"
)
COMPASS: Final = {
    "north": "n", "south": "s", "east": "e", "west": "w", "n": "n", "s": "s", "e": "e", "w": "w",
}  # fmt: skip
