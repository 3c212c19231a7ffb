"""Which passwords are taken."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest
from argon2 import PasswordHasher

from mpi.domain.errors import BadInput, TemporaryFailure
from mpi.services.passwords import LONGEST, MOST_AT_ONCE, Passwords, check_password

REFUSED = [
    pytest.param("elevenchars", "password-short", id="eleven characters"),
    pytest.param("x" * (LONGEST + 1), "password-long", id="more than the server will hash"),
    pytest.param("passwordpassword", "password-common", id="password twice"),
    pytest.param("Password1234!", "password-common", id="password with digits and a sign"),
    pytest.param("P@ssw0rd2026", "password-common", id="password in lookalike signs"),
    pytest.param("aaaaaaaaaaaa", "password-common", id="one letter only"),
    pytest.param("123456789012", "password-common", id="digits in their order"),
    pytest.param("qwertyuiopasdf", "password-common", id="along the keyboard"),
    pytest.param("Letmein-letmein-1", "password-common", id="letmein twice"),
    pytest.param("rita.hopkins-2026", "password-name", id="the account's name and a year"),
]


@pytest.mark.parametrize(("password", "code"), REFUSED)
def test_a_password_that_is_easily_guessed_is_refused(password: str, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_password("rita.hopkins", password)
    assert caught.value.code == code
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("seven lanterns over", id="words"),
        pytest.param("correct horse battery", id="words with spaces"),
        pytest.param("žluťoučký kůň", id="letters of another language"),
        pytest.param("vK3#pq9!mmZw", id="twelve random signs"),
    ],
)
def test_a_long_password_needs_nothing_else(password: str) -> None:
    check_password("rita.hopkins", password)


def _quick() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


def test_the_password_that_was_stored_matches_and_no_other() -> None:
    passwords = _quick()
    stored = passwords.hash("seven lanterns over")
    assert passwords.matches(stored, "seven lanterns over")
    assert not passwords.matches(stored, "seven lanterns Over")
    assert "lanterns" not in stored


class _Held(PasswordHasher):
    """A hasher that works when it is let go."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.go = threading.Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.go.wait(10)
        return super().hash(password, salt=salt)


def test_sign_ins_in_masses_are_turned_away_at_once_and_the_others_served() -> None:
    hasher = _Held()
    passwords = Passwords(hasher)
    with ThreadPoolExecutor(MOST_AT_ONCE + 2) as pool:
        tries = [pool.submit(passwords.hash, "seven lanterns over") for _ in range(MOST_AT_ONCE + 2)]
        refused = list(islice(as_completed(tries), 2))
        hasher.go.set()
    assert all(isinstance(one.exception(), TemporaryFailure) for one in refused)
    assert all(one.result().startswith("$argon2id$") for one in tries if one not in refused)
    assert passwords.hash("seven lanterns over").startswith("$argon2id$"), "the places are free again"


def test_nobodys_password_is_never_right() -> None:
    passwords = _quick()
    assert not passwords.matches(None, "the password of no account")


def test_a_hash_of_today_is_argon2id_and_one_with_weaker_parameters_is_outdated() -> None:
    weak = _quick().hash("seven lanterns over")
    today = Passwords()
    strong = today.hash("seven lanterns over")
    assert strong.startswith("$argon2id$")
    assert today.is_outdated(weak)
    assert not today.is_outdated(strong)
