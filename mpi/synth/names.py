"""Names with the skew of the United Kingdom: few common, many rare, some traditions with very few surnames."""

from bisect import bisect
from itertools import accumulate, product
from random import Random

_SURNAMES = """
SMITH JONES WILLIAMS TAYLOR BROWN DAVIES EVANS WILSON THOMAS JOHNSON ROBERTS ROBINSON THOMPSON WRIGHT WALKER WHITE
EDWARDS HUGHES GREEN HALL LEWIS HARRIS CLARKE JACKSON CLARK TURNER HILL SCOTT COOPER MORRIS WARD MOORE KING WATSON
BAKER HARRISON MORGAN YOUNG ALLEN MITCHELL JAMES ANDERSON PHILLIPS LEE BELL PARKER DAVIS BENNETT MILLER COOK SHAW
COX RICHARDSON MARSHALL COLLINS CARTER BAILEY GRAY MURPHY STEVENS ADAMS RICHARDS ELLIS WILKINSON FOSTER CAMPBELL
RUSSELL POWELL CHAPMAN MILLS HUNT WEBB HOLMES ROGERS PALMER MASON GIBSON KNIGHT MATTHEWS BARNES GRAHAM STEVENSON
LLOYD BARKER BUTLER STEWART MURRAY PEARSON REYNOLDS FISHER SIMPSON KELLY PRICE BRADLEY FOX HAMILTON ROSS HENDERSON
DIXON WOOD WOODS HARVEY FRASER BROOKS GRANT WALSH REID RYAN OBRIEN ELLIOTT GORDON BURTON FORD SUTTON PERRY BURNS
JENKINS OWEN GRIFFITHS REES PUGH CRAWFORD MCDONALD MACDONALD HART LAWRENCE ARMSTRONG CUNNINGHAM PAYNE CARR DUNN
SAUNDERS SPENCER HUDSON LANE WATTS BARRETT HOPKINS BERRY WEST WEBSTER NICHOLSON ANDREWS RILEY DUNCAN BLACK STONE
GARDNER ARNOLD HAWKINS PORTER NEWMAN LAWSON AUSTIN TUCKER HUNTER WARREN FLETCHER BURGESS BISHOP FRENCH LYNCH BOYD
HAYES NORRIS MARSH KERR FERGUSON OSULLIVAN OCONNOR GALLAGHER DOHERTY SIMMONS HARDING GILBERT HICKS DOUGLAS MAY LONG
BYRNE HOLLAND WALLACE POTTER SHARP BIRD GREENWOOD GOODWIN HAMMOND DAWSON CROSS OSBORNE BOOTH SLATER NASH
""".split()  # most common first

_PREFIXES = (
    "ASH BAR BECK BLACK BRAD BRAN BROOK CHIL CLAY COL CRAN DAL DEN EAST EL FAIR FEN GAR GLAD HAL HART HAZEL HOL \
KEN KING LANG LIN LOCK MAR MEL MID MOR NEW NOR OAK PEN PRES RAD RAIN RED ROCK ROTH SAL SHEL SIL STAN STOCK SUN THORN \
TIN WAL WARD WAKE WEN WHIT WIN WOOD WOR YARD".split()
)
_SUFFIXES = "BURN BURY BY COMBE COTT DALE DEN FIELD FORD GATE GRAVE HAM HURST LAND LEY LOCK MAN MERE MORE RIDGE SHAW \
SON STEAD STOKE STONE THORPE TON WELL WICK WOOD WORTH".split()

_MALE = """
JOHN DAVID MICHAEL PETER ROBERT JAMES PAUL WILLIAM RICHARD THOMAS ANDREW CHRISTOPHER MARK STEPHEN ANTHONY DANIEL GEORGE
MATTHEW KEVIN ALAN IAN BRIAN GARY SIMON STEVEN JOSEPH MARTIN PHILIP KENNETH EDWARD RONALD GRAHAM COLIN NEIL BENJAMIN
LUKE ADAM JACK OLIVER HARRY CHARLIE RYAN JOSHUA SAMUEL LEWIS JAKE CALLUM NATHAN LIAM ALEXANDER JONATHAN NICHOLAS TIMOTHY
GEOFFREY DEREK RAYMOND KEITH ROGER DENNIS TERENCE DONALD ROY STUART BARRY GORDON HENRY ALFIE LEO OSCAR ARCHIE FREDDIE
NOAH MUHAMMAD ETHAN JAYDEN KAYDEN LOGAN MASON HARRISON ARTHUR FREDERICK ALBERT STANLEY LEONARD ERIC WALTER HAROLD
SEAN PATRICK DARREN WAYNE LEE CARL SHAUN DEAN CRAIG SCOTT JASON RUSSELL GERALD CLIVE NIGEL JEREMY TOBY FELIX
HUGO RORY EWAN FINLAY ANGUS DUNCAN MALCOLM DOUGLAS GARETH RHYS DYLAN EVAN OWEN HUW IEUAN DAMIAN DOMINIC
""".split()
_FEMALE = """
MARGARET SUSAN PATRICIA ELIZABETH MARY SARAH KAREN JEAN CHRISTINE LINDA JACQUELINE HELEN JULIE EMMA LAURA REBECCA ANN
ANNE CHARLOTTE JANE BARBARA NICOLA TRACEY JOANNE SANDRA CLAIRE LOUISE AMANDA JENNIFER ALISON DEBORAH SHARON DOROTHY JOAN
SHEILA PAULINE MAUREEN CAROL JANET KATHLEEN CATHERINE VICTORIA HANNAH JESSICA LUCY SOPHIE EMILY AMY CHLOE OLIVIA GRACE
AMELIA ISLA MIA POPPY ELLA LILY ISABELLA FREYA EVIE
DAISY ALICE FLORENCE ROSIE MATILDA SOPHIA MAISIE MOLLY ELEANOR ABIGAIL
MEGAN LAUREN BETHANY SAMANTHA GEMMA KELLY LISA MICHELLE DONNA LORRAINE WENDY GILLIAN ANGELA ELAINE HEATHER
RUTH RACHEL NATALIE STEPHANIE DANIELLE KATIE HOLLY ZOE LEANNE HAYLEY STACEY ANNA BELLA KAYLA LAYLA MAYA
EDITH DORIS IVY ELSIE GLADYS FLORA MABEL VERA IRENE JOYCE BERYL SYLVIA VALERIE JUNE MARION ROSEMARY FIONA CATRIONA
EILIDH MAIRI SIAN RHIAN CERYS BRONWEN GWEN NIAMH AOIFE CIARA MAEVE BRIDGET THERESA VERONICA HARRIET GEORGINA
""".split()

TRADITIONS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "south-asian": (
        "PATEL SINGH KAUR KHAN BEGUM AHMED HUSSAIN ALI SHAH SHARMA GUPTA RAHMAN ISLAM MIAH AKHTAR BIBI IQBAL MAHMOOD "
        "CHOWDHURY MALIK DESAI MISTRY NAIR RAO REDDY".split(),
        "MOHAMMED MUHAMMAD AHMED ALI HASSAN IMRAN RAJ AMIT SANJAY RAVI BILAL USMAN OMAR YUSUF IBRAHIM HARPREET GURDEEP "
        "ARJUN VIKRAM SUNIL KAMRAN TARIQ ZAIN".split(),
        "FATIMA AISHA PRIYA NISHA ANJALI SHABNAM NASREEN RUKHSANA HARPREET GURPREET JASPREET MEERA SUNITA REKHA ZARA "
        "MARYAM SANA HINA YASMIN SADIA POOJA KIRAN".split(),
    ),
    "polish": (
        "NOWAK KOWALSKI WISNIEWSKI WOJCIK KOWALCZYK KAMINSKI LEWANDOWSKI ZIELINSKI SZYMANSKI WOZNIAK DABROWSKI "
        "KOZLOWSKI JANKOWSKI MAZUR KRAWCZYK".split(),
        "PIOTR KRZYSZTOF ANDRZEJ TOMASZ PAWEL MICHAL MARCIN JAKUB ADAM LUKASZ GRZEGORZ MATEUSZ SZYMON".split(),
        "ANNA KATARZYNA MALGORZATA AGNIESZKA BARBARA EWA MAGDALENA MONIKA JOANNA ALEKSANDRA ZOFIA JULIA".split(),
    ),
    "chinese": (
        "CHAN WONG LI WANG ZHANG CHEN LIU YANG HUANG LAU CHEUNG NG LAM HO LEUNG".split(),
        "WEI MING JUN HAO KA MAN CHUN YU TAO LEI BIN KAI".split(),
        "MEI LING YAN XIU YING FANG HUI JING LAN NA MAN".split(),
    ),
    "west-african": (
        "OKAFOR ADEYEMI OKONKWO BELLO MENSAH OWUSU BOATENG OSEI ADEBAYO OGUNLEYE APPIAH ASANTE NWOSU EZE".split(),
        "EMMANUEL SAMUEL DANIEL CHINEDU OLUWASEUN KWAME KOFI KWABENA TUNDE EMEKA IFEANYI DAVID JOSEPH".split(),
        "BLESSING GRACE ESTHER CHIOMA NGOZI ABENA AMA ADWOA FUNMI FOLAKE MERCY PATIENCE".split(),
    ),
    "sikh": (
        "SINGH KAUR GILL DHILLON SANDHU".split(),
        "HARPREET GURPREET JASPREET MANPREET GURDEEP RAJINDER BALVINDER SUKHWINDER AMARJIT KULDEEP".split(),
        "HARPREET GURPREET JASPREET MANPREET RAJINDER BALVINDER SUKHWINDER AMARJIT KULDEEP SIMRAN".split(),
    ),
    "vietnamese": (
        "NGUYEN TRAN LE PHAM HUYNH HOANG PHAN VU DANG BUI".split(),
        "MINH HUNG TUAN DUNG NAM LONG THANH QUANG HAI SON".split(),
        "LINH HUONG LAN MAI HOA THANH NGA THU HANH PHUONG".split(),
    ),
    "somali": (
        "ALI MOHAMED ABDI HASSAN AHMED HUSSEIN OMAR FARAH WARSAME ADAN".split(),
        "MOHAMED ABDI AHMED ALI HASSAN OMAR ABDULLAHI YUSUF IBRAHIM FARAH WARSAME ADAN".split(),
        "FATIMA AMINA HALIMA KHADIJA SAHRA MARYAM HODAN IFRAH ASHA NASRA".split(),
    ),
    "arabic": (
        "HUSSEIN ABDULLAH KHALIL MANSOUR HADDAD SALEH NASSER AZIZ RASHID YOUSSEF".split(),
        "MOHAMMED AHMED KHALID YOUSSEF ABDULRAHMAN OMAR MUSTAFA TAREK HUSSEIN QASIM".split(),
        "FATIMA AISHA LAYLA KHADIJA NOUR ZAINAB MARYAM HUDA SALMA RANIA".split(),
    ),
}
"""Naming tradition -> surnames, male and female given names, most common first."""

_SHARES = (
    ("south-asian", 0.08), ("polish", 0.025), ("chinese", 0.012), ("west-african", 0.02), ("sikh", 0.025),
    ("vietnamese", 0.01), ("somali", 0.015), ("arabic", 0.018),
)  # fmt: skip
"""Naming tradition -> share of households; the rest has the most common one."""

_DOUBLE = 0.03
"""Share of hyphenated surnames."""

PATRONYMIC = frozenset({"somali"})
"""Traditions in which a child bears its father's given name where others bear the family's."""

SHORT_OF_BIRTHDAYS = frozenset({"somali", "arabic", "south-asian", "west-african"})
"""Traditions many of whose elder people were born where no day was written down: 1 January stands in their papers."""

ACCENTED: dict[str, str] = {
    "ZOE": "ZOË", "CHLOE": "CHLOÉ", "SIAN": "SIÂN", "AOIFE": "AOÍFE", "SEAN": "SEÁN", "CIARA": "CIÁRA",
    "MAIRI": "MÀIRI",
    "LUKASZ": "ŁUKASZ", "MICHAL": "MICHAŁ", "PAWEL": "PAWEŁ", "MALGORZATA": "MAŁGORZATA", "WISNIEWSKI": "WIŚNIEWSKI",
    "KAMINSKI": "KAMIŃSKI", "ZIELINSKI": "ZIELIŃSKI", "SZYMANSKI": "SZYMAŃSKI", "WOZNIAK": "WOŹNIAK",
    "DABROWSKI": "DĄBROWSKI", "KOZLOWSKI": "KOZŁOWSKI", "NGUYEN": "NGUYỄN", "TRAN": "TRẦN", "PHAM": "PHẠM",
    "OBRIEN": "O'BRIEN", "OSULLIVAN": "O'SULLIVAN", "OCONNOR": "O'CONNOR", "MACDONALD": "MACDÓNALD",
    "WISNIEWSKA": "WIŚNIEWSKA", "KAMINSKA": "KAMIŃSKA", "ZIELINSKA": "ZIELIŃSKA", "DABROWSKA": "DĄBROWSKA",
}  # fmt: skip
"""Name -> as its bearer writes it; most registers leave the marks out."""

SPELLINGS: dict[str, tuple[str, ...]] = {
    "MOHAMMED": ("MOHAMED", "MUHAMMED", "MOHAMMAD", "MUHAMMAD", "MOHD"),
    "MUHAMMAD": ("MOHAMMED", "MOHAMMAD", "MUHAMMED"),
    "AHMED": ("AHMAD",), "HUSSAIN": ("HUSAIN", "HUSSEIN"), "RAHMAN": ("REHMAN",), "YUSUF": ("YOUSUF", "YUSEF"),
    "FATIMA": ("FATEMA", "FATIMAH"), "AISHA": ("AYESHA", "AISHAH"), "MARYAM": ("MARIAM", "MIRIAM"),
    "CHOWDHURY": ("CHOUDHURY", "CHAUDHRY"), "MAHMOOD": ("MAHMUD",), "IBRAHIM": ("EBRAHIM",), "OMAR": ("UMAR",),
    "CLARKE": ("CLARK",), "CLARK": ("CLARKE",), "STEPHEN": ("STEVEN",), "STEVEN": ("STEPHEN",),
    "PHILIP": ("PHILLIP",),
    "CATHERINE": ("KATHERINE", "KATHRYN"),
    "SARAH": ("SARA",), "ANN": ("ANNE",), "ANNE": ("ANN",), "ALAN": ("ALLAN",),
    "MACDONALD": ("MCDONALD",), "MCDONALD": ("MACDONALD",), "OBRIEN": ("O'BRIEN",), "OCONNOR": ("O'CONNOR",),
    "YOUSSEF": ("YUSUF", "YOUSEF", "YOUSUF"), "HUSSEIN": ("HUSSAIN", "HUSAIN", "HOSSEIN"),
    "ABDULLAH": ("ABDALLAH", "ABDULA"), "ABDULRAHMAN": ("ABDUL RAHMAN", "ABDELRAHMAN"),
    "KHADIJA": ("KHADEEJA", "KADIJA"),
    "QASIM": ("KASSIM", "GASSIM"), "MANSOUR": ("MANSUR", "MANSOOR"), "ABDULLAHI": ("ABDILLAHI",), "TAREK": ("TARIQ",),
    "MOHAMED": ("MOHAMMED", "MAXAMED", "MUHAMMAD"), "WARSAME": ("WARSAMA",), "ASHA": ("AISHA", "CAASHA"),
    "ZAINAB": ("ZEINAB", "ZEYNEP"), "NOUR": ("NOOR", "NUR"), "LAYLA": ("LEILA", "LAILA"), "SAHRA": ("ZAHRA",),
    "ZHANG": ("CHANG", "CHEUNG"), "WANG": ("WONG",), "LIU": ("LAU",), "CHEN": ("CHAN",), "HUANG": ("WONG", "HWANG"),
    "AMARJIT": ("AMARJEET",), "KULDEEP": ("KULDIP",), "RAJINDER": ("RAJENDER",), "BALVINDER": ("BALWINDER",),
    "TRACEY": ("TRACY",), "SHAUN": ("SEAN",), "SEAN": ("SHAUN",), "GEOFFREY": ("JEFFREY",), "REID": ("READ", "REED"),
    "STEWART": ("STUART",), "THOMPSON": ("THOMSON",), "GRAY": ("GREY",), "DAVIES": ("DAVIS",), "BROWN": ("BROWNE",),
}  # fmt: skip
"""Name -> other spellings that an ear or another alphabet gives it."""


class Weighted:
    """Draws from a list whose items grow rarer as Zipf's law has it: weight = (rank + offset) ** -power."""

    def __init__(self, items: list[str], power: float, offset: float = 2.0) -> None:
        self.items = items
        self._sums = list(accumulate((rank + offset) ** -power for rank in range(len(items))))
        self._total = self._sums[-1]

    def draw(self, random: Random) -> str:
        """One item."""
        return self.items[min(bisect(self._sums, random.random() * self._total), len(self.items) - 1)]


def _long_tail() -> list[str]:
    """Common surnames, then some two thousand rarer ones made of place-name parts, in an order that looks like none."""
    made = sorted((a + b for a, b in product(_PREFIXES, _SUFFIXES)), key=lambda name: (hash_of(name), name))
    return list(dict.fromkeys(_SURNAMES + made))


def hash_of(text: str) -> int:
    """A small hash that is the same in every process, unlike `hash`."""
    value = 0
    for c in text:
        value = (value * 31 + ord(c)) % 1_000_003
    return value


class NameBook:
    """Everything names are drawn from."""

    def __init__(self) -> None:
        self.surnames = Weighted(_long_tail(), 0.85, 6.0)
        self.male, self.female = Weighted(_MALE, 0.7, 3.0), Weighted(_FEMALE, 0.7, 3.0)
        self.traditions = {
            name: (Weighted(s, 0.9, 1.0), Weighted(m, 0.6), Weighted(f, 0.6)) for name, (s, m, f) in TRADITIONS.items()
        }

    def tradition(self, random: Random) -> str | None:
        """The naming tradition of a household, None for the most common one."""
        chance = random.random()
        for name, share in _SHARES:
            chance -= share
            if chance < 0:
                return name
        return None

    def surname(self, random: Random, tradition: str | None) -> str:
        """A family name of the tradition, now and then one of two parts."""
        book = self.traditions[tradition][0] if tradition else self.surnames
        name = book.draw(random)
        if tradition is None and random.random() < _DOUBLE:
            other = book.draw(random)
            return name if other == name else f"{name}-{other}"
        return name

    def given(self, random: Random, tradition: str | None, sex: str) -> str:
        """A given name of the tradition for `male` or `female`."""
        place = 1 if sex == "male" else 2
        if tradition:
            book: Weighted = self.traditions[tradition][place]
        else:
            book = self.male if sex == "male" else self.female
        return book.draw(random)


def of_sex(surname: str, sex: str) -> str:
    """A Polish surname as a man or a woman bears it: KOWALSKI, KOWALSKA; any other name as it is."""
    if sex == "female" and surname.endswith(("SKI", "CKI")):
        return surname[:-1] + "A"
    return surname
