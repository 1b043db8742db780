import pytest

from holdfast.backends.oidc.verifying import UnknownKey, allowed, claims_of, usable_keys
from tests.hostile_issuer import P256, claims, jwk, signed

URL = "https://login.example"


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        (["HS256", "none", "RS256"], ("RS256",)),
        (["HS256", "none", "ES256K"], ()),
        (["EdDSA", "PS512"], ("PS512", "EdDSA")),
        (None, ("RS256",)),
        ("RS256", ("RS256",)),
        ([["RS256"], 5], ()),
    ],
)
def test_only_signatures_by_a_private_key_are_taken(named, taken):
    assert allowed(named) == taken


def test_without_a_name_a_token_is_of_the_only_key_that_fits():
    told = claims(URL)
    bare = signed(told, kid=None)
    assert claims_of(bare, usable_keys([jwk("rsa"), jwk("p256")]), ["RS256"]) == told
    with pytest.raises(UnknownKey):
        claims_of(bare, usable_keys([jwk("rsa"), jwk("rsa", kid="more")]), ["RS256"])


def test_a_key_that_is_of_another_algorithm_signs_nothing():
    with pytest.raises(UnknownKey):
        claims_of(signed(claims(URL)), [jwk("rsa", alg="RS512")], ["RS256", "RS512"])


def test_a_curve_of_another_size_signs_nothing():
    token = signed(claims(URL), P256, "ES256", kid="p384")
    with pytest.raises(Exception, match="signature does not hold"):
        claims_of(token, [jwk("p384")], ["ES256"])
