"""The vault: what is derived stays the same, what is sealed opens in its place only."""

import hmac
from typing import Any

import pytest

from workers.vault import KeyDestroyed, Keyring, Mac, Sealed, Undecipherable, Vault

MASTER = bytes(range(32))
FINGERPRINT = "6ffde07d6d352795e480f3a946e145014db98c87d8ed60d24440c417f6f62c7b"
PASSWORD = "Q_T_wmaZMW2j4xXtYHARf1NGC-zbQMCwN3gulXjWpYU"  # noqa: S105 (of a master key that nobody has)
ID_NUMBER = 476_425_858_934_370_884


@pytest.fixture
def vault() -> Vault:
    return Vault(MASTER)


def ring_of(vault: Vault, *subjects: str) -> Keyring:
    return vault.keyring([vault.new_key(subject) for subject in subjects])


def test_a_master_key_of_another_length_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="32 bytes, got 31: set FLEXSPINE_MASTER_KEY") as caught:
        Vault(b"s" * 31)
    assert "sss" not in str(caught.value)


def test_what_is_derived_is_the_same_in_every_process() -> None:
    one, two = Vault(MASTER), Vault(MASTER)
    assert one.fingerprint("vat", "GB1") == two.fingerprint("vat", "GB1")
    assert one.password("flex-relay") == two.password("flex-relay")
    assert one.id_number("USR", "1", "0") == two.id_number("USR", "1", "0")


def test_what_is_derived_never_changes() -> None:
    """Stored claims, ids and the broker's accounts depend on these very values."""
    vault = Vault(MASTER)
    assert vault.fingerprint("vat", "GB1") == FINGERPRINT
    assert vault.password("flex-relay") == PASSWORD
    assert vault.id_number("USR", "1", "0") == ID_NUMBER


def test_another_master_key_derives_all_else(vault: Vault) -> None:
    other = Vault(bytes(32))
    assert vault.fingerprint("vat", "GB1") != other.fingerprint("vat", "GB1")
    assert vault.password("flex-relay") != other.password("flex-relay")
    assert vault.id_number("USR", "1") != other.id_number("USR", "1")


def test_purposes_and_parts_do_not_run_into_each_other(vault: Vault) -> None:
    assert vault.fingerprint("a", "bc") != vault.fingerprint("ab", "c")
    assert vault.id_number("a", "bc") != vault.id_number("ab", "c")
    assert vault.id_number("a") != vault.id_number("a", "")
    assert vault.password("a") != vault.password("b")


def test_an_id_number_has_sixty_bits(vault: Vault) -> None:
    numbers = [vault.id_number("ASSET", str(n)) for n in range(200)]
    assert max(numbers) < 2**60
    assert max(numbers) >= 2**59
    assert len(set(numbers)) == len(numbers)


def test_what_is_sealed_opens_again(vault: Vault) -> None:
    ring = ring_of(vault, "USR-1")
    sealed = ring.seal("USR-1", b"GB33", b"users/USR-1")
    assert sealed.key == "USR-1"
    assert b"GB33" not in sealed.box
    assert ring.open(sealed, b"users/USR-1") == b"GB33"
    assert ring.seal("USR-1", b"GB33", b"users/USR-1") != sealed


def test_a_key_row_opens_in_another_process(vault: Vault) -> None:
    row = vault.new_key("USR-1")
    sealed = vault.keyring([row]).seal("USR-1", b"GB33", b"")
    assert Vault(MASTER).keyring([row]).open(sealed, b"") == b"GB33"


def test_a_key_row_of_another_subject_or_master_does_not_open(vault: Vault) -> None:
    row = vault.new_key("USR-1")
    with pytest.raises(Undecipherable, match="USR-2"):
        vault.opened({**row, "_id": "USR-2"})
    with pytest.raises(Undecipherable, match="FLEXSPINE_MASTER_KEY"):
        Vault(bytes(32)).opened(row)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda box: (box, b"users/USR-2"), id="another-place"),
        pytest.param(lambda box: (box[:-1] + bytes([box[-1] ^ 1]), b"users/USR-1"), id="changed"),
        pytest.param(lambda box: (box[:20], b"users/USR-1"), id="cut"),
        pytest.param(lambda _box: (b"", b"users/USR-1"), id="empty"),
    ],
)
def test_a_box_moved_or_changed_does_not_open(vault: Vault, spoil) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    ring = ring_of(vault, "USR-1")
    box, aad = spoil(ring.seal("USR-1", b"GB33", b"users/USR-1").box)
    with pytest.raises(Undecipherable):
        ring.open(Sealed("USR-1", box), aad)


def test_subjects_cannot_open_each_other(vault: Vault) -> None:
    ring = ring_of(vault, "USR-1", "USR-2")
    sealed = ring.seal("USR-1", b"GB33", b"")
    with pytest.raises(Undecipherable):
        ring.open(Sealed("USR-2", sealed.box), b"")


def test_without_the_key_row_nothing_opens(vault: Vault) -> None:
    sealed = ring_of(vault, "USR-1").seal("USR-1", b"GB33", b"")
    erased = vault.keyring([])
    assert "USR-1" not in erased
    with pytest.raises(KeyDestroyed, match="USR-1") as caught:
        erased.open(sealed, b"")
    assert caught.value.subject == "USR-1"
    with pytest.raises(KeyDestroyed):
        erased.seal("USR-1", b"", b"")


def test_a_new_key_of_an_erased_subject_opens_nothing_old(vault: Vault) -> None:
    sealed = ring_of(vault, "USR-1").seal("USR-1", b"GB33", b"")
    with pytest.raises(Undecipherable):
        ring_of(vault, "USR-1").open(sealed, b"")


def test_a_keyring_grows_with_new_subjects(vault: Vault) -> None:
    ring = vault.keyring()
    ring.add("USR-1", vault.opened(vault.new_key("USR-1")))
    assert ring.open(ring.seal("USR-1", b"x", b""), b"") == b"x"


def test_a_body_in_transit_opens_in_another_process(vault: Vault) -> None:
    box = vault.seal_transit(b"body", b"outbox/1")
    assert Vault(MASTER).open_transit(box, b"outbox/1") == b"body"
    with pytest.raises(Undecipherable):
        vault.open_transit(box, b"outbox/2")
    with pytest.raises(Undecipherable):
        Vault(bytes(32)).open_transit(box, b"outbox/1")
    with pytest.raises(Undecipherable):
        vault.open_transit(b"", b"outbox/1")


def test_transit_boxes_change_their_key_before_nonces_run_short(vault: Vault) -> None:
    before = vault.seal_transit(b"body", b"")
    vault._boxes_left = 0
    after = vault.seal_transit(b"body", b"")
    assert before[:16] != after[:16]
    assert vault.open_transit(before, b"") == vault.open_transit(after, b"")


def test_no_key_shows_in_a_print(vault: Vault) -> None:
    assert MASTER.hex() not in repr(vars(vault)["_unwrap"]) + repr(vault)
    assert "AESGCM" not in repr(ring_of(vault, "USR-1"))


@pytest.mark.parametrize("parts", [(), ("",), ("ab", "c"), ("a", "bc"), ("é" * 100,)])
@pytest.mark.parametrize("size", [1, 32, 64])
def test_mac_is_that_of_the_standard(parts: tuple[str, ...], size: int) -> None:
    """RFC 2104; stored claims and issued ids depend on it for ever."""
    key = bytes(range(size))
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
    assert Mac(key).of(*parts) == hmac.digest(key, message, "sha256")


def test_a_key_made_of_bytes_is_theirs_alone(vault: Vault) -> None:
    """It is made when it is needed, and a copy of the keyring can make it too."""
    made: list[bytes] = []

    def make() -> Any:
        made.append(b"one")
        return vault.key_of_bytes(b"one")

    keyring = vault.keyring([])
    keyring.offer("bytes/1", make)
    assert ("bytes/1" in keyring, made) == (True, [])
    sealed = keyring.copy().seal("bytes/1", b"answer", b"place")
    assert (keyring.open(sealed, b"place"), made) == (b"answer", [b"one", b"one"])
    assert (keyring.open(sealed, b"place"), len(made)) == (b"answer", 2)
    for key in (vault.key_of_bytes(b"two"), Vault(bytes(32)).key_of_bytes(b"one")):
        with pytest.raises(Undecipherable):
            Keyring({"bytes/1": key}).open(sealed, b"place")
