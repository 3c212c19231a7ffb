"""Gate policies: what is refused, and how a changed policy changes the decision."""

# ruff: noqa: E501 - one line a case: the tables are read line by line

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from mpi.config import parse as parse_config
from mpi.domain.study import GateDecision, RuleOutcome, RuleResult
from mpi.matching.exact import decide
from mpi.matching.gate_policy import CAME_LATER, KINDS, MANDATORY, InvalidPolicy, load, load_default, parse
from mpi.services.gate import Gate, load_policy
from tests.gate_world import CONFIG, MARIA, MARIA_NHS, OPERATOR, World, a_header, nhs

SHIPPED = resources.files("mpi.matching").joinpath("policies/default.toml").read_text(encoding="utf-8")
ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE


def changed(old: str, new: str) -> str:
    """The shipped policy with one place changed."""
    assert SHIPPED.count(old) == 1, "the shipped policy does not say so (once)"
    return SHIPPED.replace(old, new)


def override(rule: str, **said: str) -> str:
    """One more override, otherwise right."""
    values = {"roles": '["gate-operator"]', "reasons": '["x"]'} | said
    return f'\n[[override]]\nrule = "{rule}"\n' + "".join(f"{key} = {value}\n" for key, value in values.items())


def section(body: str) -> str:
    """One more section that says this."""
    return f'\n[[section]]\nname = "one more"\n{body}\n'


def without(rule: str) -> str:
    """The shipped policy without one rule."""
    first, rest = SHIPPED.split(f'[[rule]]\nid = "{rule}"\n')
    return first + (rest[rest.index("[[rule]]") :] if "[[rule]]" in rest else "")


BIRTH, SEX = 'id = "birth-date"\non_failure = "hold"', 'id = "sex"\non_failure = "hold"\nmissing = "passes"'
INVALID = [
    ("not TOML", "format = ", "own.toml: "),
    ("an unknown key", SHIPPED.replace("format = 1", "format = 1\nrules = 3"), "unknown key 'rules'"),
    ("a format of the future", changed("format = 1", "format = 2"), "format must be 1"),
    ("no version", changed('version = "default-1"', ""), "version must be"),
    ("an empty version", changed('version = "default-1"', 'version = " "'), "version must be"),
    ("one table instead of many", 'format = 1\nversion = "1"\nrule = 3', "write [[rule]]"),
    ("a rule that does not exist", changed('id = "sex"', 'id = "shoe-size"'), "there is no rule 'shoe-size'"),
    ("a rule without an id", changed('id = "sex"\n', ""), "there is no rule None"),
    ("a rule that attaches on failure", changed(BIRTH, BIRTH.replace("hold", "attach")), "on_failure must be hold or refuse"),
    ("a rule without a consequence", changed(BIRTH, 'id = "birth-date"'), "on_failure must be hold or refuse"),
    ("another person's study only held", changed('"study-of-no-other-person"\non_failure = "refuse"', '"study-of-no-other-person"\non_failure = "hold"'), "on_failure must be refuse"),
    ("numbers of two people only held", changed('"numbers-lead-to-one-person"\non_failure = "refuse"', '"numbers-lead-to-one-person"\non_failure = "hold"'), "on_failure must be refuse"),
    ("a parameter that does not exist", changed(BIRTH, BIRTH + "\ntolerance_days = 3"), "has no parameter 'tolerance_days'"),
    ("a missing birth date that passes", changed(BIRTH, BIRTH + '\nmissing = "passes"'), 'missing must be "fails" or "asks"'),
    ("a value that does not exist", changed(SEX, SEX.replace("passes", "guesses")), 'missing must be "passes" or "fails" or "asks"'),
    ("an override of what nobody may override", SHIPPED + override("one-patient"), "nobody may override this rule"),
    ("an override of numbers of two people", SHIPPED + override("numbers-lead-to-one-person"), "nobody may override this rule"),
    ("an override of a rule that does not exist", SHIPPED + override("shoe-size"), "there is no rule 'shoe-size'"),
    ("an override by a machine", SHIPPED + override("sex", roles='["service"]'), "roles must be among"),
    ("an override by nobody", SHIPPED + override("sex", roles="[]"), "roles must be a list of texts"),
    ("an override without reasons", SHIPPED + override("sex", reasons="[]"), "reasons must be a list of texts"),
    ("an override for ever", SHIPPED + override("sex", hours="100000"), "hours must be a whole number"),
    ("an override with an unknown key", SHIPPED + override("sex", forever="true"), "unknown key 'forever'"),
    ("a section that leaves the birth date out", SHIPPED + section('[[section.rule]]\nid = "birth-date"\non_failure = "attach"'), "on_failure must be hold or refuse"),
    ("a section in which a missing birth date passes", SHIPPED + section('[[section.rule]]\nid = "birth-date"\non_failure = "hold"\nmissing = "passes"'), 'missing must be "fails" or "asks"'),
    ("a section that only holds numbers of two people", SHIPPED + section('[[section.rule]]\nid = "numbers-lead-to-one-person"\non_failure = "hold"'), "on_failure must be refuse"),
    ("a section of an unknown origin", SHIPPED + section('origins = ["pigeon"]'), "origins must be among"),
    ("a section of an unknown urgency", SHIPPED + section('urgency = "soon"'), "urgency must be"),
    ("a section without a name", SHIPPED + '\n[[section]]\norigins = ["disc"]\n', "a section needs a name"),
    ("a routine study that is readable", SHIPPED + section("readable = true"), "only what is an emergency can be readable"),
    ("a section with an unknown key", SHIPPED + section("colour = 3"), "unknown key 'colour'"),
    ("a number where a truth is wanted", changed("short_forms = true", "short_forms = 1"), "short_forms must be true or false"),
    ("days out of bounds", changed("days_after_death = 7", "days_after_death = 5000"), "days_after_death must be a whole number"),
    ("a truth where days are wanted", changed("days_ahead = 1", "days_ahead = true"), "days_ahead must be a whole number"),
    ("no issuer to trust", changed('trusted_issuers = "configured"', "trusted_issuers = []"), "trusted_issuers must be"),
    ("a rule twice", SHIPPED + f'\n[[rule]]\n{BIRTH}\n', "rule birth-date stands twice"),
    ("no number needed", without("identified-by-trusted-number"), "could be attached on a name alone"),
    ("no birth date needed", without("birth-date"), "could be attached on a name alone"),
    ("nothing at all", 'format = 1\nversion = "1"', "could be attached on a name alone"),
    *((f"{rule} left out", without(rule), "") for rule in sorted(MANDATORY - CAME_LATER)),
]  # fmt: skip


def test_a_policy_of_before_holds_by_the_rules_that_came_later() -> None:
    for rule in CAME_LATER:
        assert parse(without(rule), "older").hash == parse(SHIPPED, "shipped").hash


@pytest.mark.parametrize(("text", "says"), [pytest.param(t, s, id=name) for name, t, s in INVALID])
def test_an_unusable_policy_is_refused_by_the_name_of_its_file(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPolicy) as caught:
        load(file)
    assert str(caught.value).startswith(str(file))
    assert says in str(caught.value)


def test_a_policy_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"gone\.toml: cannot be read"):
        load(tmp_path / "gone.toml")


def test_the_shipped_policy_has_every_rule_there_is() -> None:
    assert [rule.id for rule in load_default().rules] == list(KINDS)


def test_every_rule_and_parameter_is_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "gate.md").read_text(encoding="utf-8")
    table = page[page.index("## Rules") : page.index("### Numbers")]
    rows = {row.id: line for row in load_default().rules for line in table.splitlines() if f"| `{row.id}`" in line}
    assert list(rows) == list(KINDS)
    for rule in load_default().rules:
        line = rows[rule.id]
        assert line.endswith(f"| {rule.on_failure.value} |")
        assert ("*" in line) == (rule.id not in MANDATORY)
        assert ("†" in line) == KINDS[rule.id].refuse_only
        assert all(f"`{parameter}`" in page for parameter in rule.parameters)


def test_the_hash_follows_the_content_and_not_its_writing() -> None:
    shipped = parse(SHIPPED, "a").hash
    bare = "\n".join(line.split("#")[0] for line in SHIPPED.splitlines())
    assert parse(bare, "b").hash == shipped
    rules = bare.split("[[rule]]")
    assert parse("\n[[rule]]".join([rules[0], *rules[:0:-1]]), "turned round").hash == shipped
    assert parse(changed('folding = "matching"              #', "#"), "a default left out").hash == shipped
    assert parse(changed('version = "default-1"', 'version = "2"'), "c").hash != shipped
    assert parse(changed("days_ahead = 1", "days_ahead = 2"), "c").hash != shipped
    assert parse(changed(BIRTH, BIRTH.replace("hold", "refuse")), "c").hash != shipped
    assert parse(without("middle-names"), "c").hash != shipped


def test_mpi_toml_names_the_policy_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(changed('version = "default-1"', 'version = "own-7"'), encoding="utf-8")
    config = parse_config('[gate]\npolicy = "gate.toml"', tmp_path / "mpi.toml")
    assert load_policy(config).version == "own-7"
    assert load_policy(CONFIG).version == "default-1"


def test_a_policy_that_trusts_an_unknown_authority_is_refused(migrated_sqlite_url: str) -> None:
    policy = parse(changed('trusted_issuers = "configured"', 'trusted_issuers = ["RXX", "REH"]'), "own.toml")
    with pytest.raises(InvalidPolicy, match=r"own\.toml: .*'REH'"):
        World(migrated_sqlite_url, policy)


@pytest.fixture
def world(migrated_sqlite_url: str) -> Iterator[World]:
    built = World(migrated_sqlite_url)
    built.change("RXX", "100", MARIA | {"given_name": "Elizabeth", "middle_names": "Jane"})
    yield built
    built.close()


CHANGES = [
    ("an issuer is not trusted any more", 'trusted_issuers = "configured"', 'trusted_issuers = ["RYY"]', {}, ATTACH, HOLD),
    ("the NHS number needs no trust", 'trusted_issuers = "configured"', 'trusted_issuers = ["RYY"]', {"patient_id": nhs(MARIA_NHS)}, ATTACH, ATTACH),
    ("accents are not folded any more", 'folding = "matching"              #', 'folding = "case" #', {"family_name": "ASHWÖRTH"}, ATTACH, HOLD),
    ("capitals still are", 'folding = "matching"              #', 'folding = "case" #', {"family_name": "ashworth"}, ATTACH, ATTACH),
    ("short forms do not count any more", "short_forms = true", "short_forms = false", {"given_name": "LIZ"}, ATTACH, HOLD),
    ("a missing sex fails", SEX, SEX.replace("passes", "fails"), {"sex": None}, ATTACH, HOLD),
    ("a missing study date passes", 'missing = "fails"', 'missing = "passes"', {"study_date": None}, HOLD, ATTACH),
    ("an unreadable study date never passes", 'missing = "fails"', 'missing = "passes"', {"study_date": "soon"}, HOLD, HOLD),
    ("more days before the birth", "days_before_birth = 1", "days_before_birth = 31", {"study_date": "19680301"}, HOLD, ATTACH),
    ("another birth date is refused", BIRTH, BIRTH.replace("hold", "refuse"), {"birth_date": "19700101"}, HOLD, REFUSE),
    ("middle names are not looked at", '[[rule]]\nid = "middle-names"\non_failure = "hold"\n', "", {"middle_name": "ANNE"}, HOLD, ATTACH),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "header", "before", "after"), [pytest.param(*row[1:], id=row[0]) for row in CHANGES]
)
def test_a_changed_policy_changes_the_decision(
    old: str, new: str, header: dict[str, Any], before: GateDecision, after: GateDecision, world: World
) -> None:
    said = a_header(**({"given_name": "ELIZABETH"} | header))
    under_new = Gate(world.store, world.config, parse(changed(old, new), "own.toml")).check(OPERATOR, said)
    # A decision of the changed policy must not be one that the first check has brought about.
    fresh = a_header(**({"given_name": "ELIZABETH", "study_uid": "1.2.3"} | header))
    assert (world.check(fresh).decision, under_new.decision) == (before, after)


def _outcomes(result: RuleResult = RuleResult.PASSED, leave_out: str = "", other: str = "") -> list[RuleOutcome]:
    found = [RuleOutcome(rule, RuleResult.PASSED, HOLD, "") for rule in KINDS if rule not in (leave_out, other)]
    return found + ([RuleOutcome(other, result, HOLD, "")] if other else [])


def test_the_decision_attaches_only_when_every_rule_passed() -> None:
    assert decide(_outcomes()) is ATTACH


@pytest.mark.parametrize("rule", sorted(MANDATORY))
def test_the_decision_holds_when_a_mandatory_rule_was_not_judged(rule: str) -> None:
    """Whatever policy was put together in memory, past the validation."""
    assert decide(_outcomes(leave_out=rule)) is HOLD


@pytest.mark.parametrize("rule", sorted(MANDATORY - {"sex", "study-date"}))
def test_the_decision_holds_when_a_mandatory_rule_had_nothing_to_judge(rule: str) -> None:
    assert decide(_outcomes(RuleResult.NOT_APPLICABLE, other=rule)) is HOLD


@pytest.mark.parametrize("rule", sorted(KINDS))
def test_the_decision_never_attaches_when_a_rule_failed(rule: str) -> None:
    assert decide(_outcomes(RuleResult.FAILED, other=rule)) is HOLD


def test_the_decision_holds_with_nothing_judged_and_with_a_rule_nobody_knows() -> None:
    assert decide([]) is HOLD
    assert decide([*_outcomes(), RuleOutcome("own-rule", RuleResult.PASSED, ATTACH, "")]) is HOLD
    assert decide([*_outcomes(), RuleOutcome("own-rule", RuleResult.FAILED, ATTACH, "")]) is HOLD
