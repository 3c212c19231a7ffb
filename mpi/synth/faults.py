"""What goes wrong between a person and a record: slips of finger and ear, defaults, mix-ups. Each has a label."""

from random import Random

from mpi.matching.nicknames import short_forms
from mpi.synth.names import SPELLINGS

_NEIGHBOURS = {
    "Q": "WA", "W": "QES", "E": "WRD", "R": "ETF", "T": "RYG", "Y": "TUH", "U": "YIJ", "I": "UOK", "O": "IPL",
    "P": "OL",
    "A": "QSZ", "S": "AWDX", "D": "SEFC", "F": "DRGV", "G": "FTHB", "H": "GYJN", "J": "HUKM", "K": "JIL", "L": "KO",
    "Z": "AX", "X": "ZSC", "C": "XDV", "V": "CFB", "B": "VGN", "N": "BHM", "M": "NJ",
    "0": "91", "1": "02", "2": "13", "3": "24", "4": "35", "5": "46", "6": "57", "7": "68", "8": "79", "9": "80",
}  # fmt: skip
_EAR = (
    ("PH", "F"), ("F", "PH"), ("CK", "K"), ("EY", "Y"), ("Y", "IE"), ("IE", "Y"), ("LL", "L"), ("TT", "T"), ("NN", "N"),
    ("S", "Z"), ("C", "K"), ("K", "C"), ("EA", "EE"), ("AI", "AY"), ("AU", "OR"), ("OU", "OO"), ("SON", "SEN"),
    ("E", ""), ("TH", "T"), ("R", "RR"), ("L", "LL"), ("EN", "AN"),
)  # fmt: skip


def by_finger(text: str, random: Random) -> str:
    """One slip of the keyboard: a neighbour, a letter lost, doubled or exchanged with the next."""
    if len(text) < 3:
        return text
    place = random.randrange(len(text))
    kind = random.random()
    if kind < 0.35:
        near = _NEIGHBOURS.get(text[place].upper(), "")
        return text[:place] + random.choice(near) + text[place + 1 :] if near else text
    if kind < 0.6:
        return text[:place] + text[place + 1 :]
    if kind < 0.75:
        return text[:place] + text[place] + text[place:]
    place = min(place, len(text) - 2)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def by_ear(name: str, random: Random) -> str:
    """The name as somebody else would spell what they heard."""
    known = SPELLINGS.get(name)
    if known and random.random() < 0.8:
        return random.choice(known)
    fitting = [(said, written) for said, written in _EAR if said in name[1:]]
    if not fitting:
        return name
    said, written = random.choice(fitting)
    return name[0] + name[1:].replace(said, written, 1)


def short_form(name: str, random: Random) -> str:
    """A pet form of the given name, or the name itself where it has none."""
    forms = short_forms(name)
    return random.choice(forms) if forms else name


def wrong_digit(text: str, random: Random) -> str:
    """One digit of `text` replaced, or two neighbours exchanged; other characters stay."""
    places = [place for place, c in enumerate(text) if c.isdigit()]
    place = random.choice(places)
    if random.random() < 0.5:
        return text[:place] + random.choice("0123456789".replace(text[place], "")) + text[place + 1 :]
    after = [p for p in places if p == place + 1]
    if not after or text[place] == text[place + 1]:
        return text[:place] + random.choice("0123456789".replace(text[place], "")) + text[place + 1 :]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
