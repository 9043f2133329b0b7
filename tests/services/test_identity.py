"""Accounts: passwords, one-time links, throttled sign-in, sessions that end."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from engine.errors import InvalidForm, NotAllowed, NotFound, Refused

PASSWORD = "青山不改2026"


@pytest.fixture
def administrator(county):
    return county.people.id("温知序")


@pytest.fixture
def account(county, administrator):
    """Return (person id, login) of a person with a password."""
    unit_id = county.people.unit("石桥村")
    person = county.engine.identity.add_person(by=administrator, name="钱多多", unit_id=unit_id, login=" Qian ")
    county.engine.identity.set_password(county.engine.identity.password_link(person.id, by=administrator), PASSWORD)
    return person.id, "qian"


def fail_to_sign_in(county, login, times, address="10.0.0.1"):
    for _ in range(times):
        with pytest.raises(NotAllowed):
            county.engine.identity.sign_in(login, "wrong password", address)


def test_who_knows_name_and_password_signs_in(county, account):
    assert county.engine.identity.sign_in("QIAN ", PASSWORD, "10.0.0.1").person_id == account[0]


def test_a_password_is_kept_as_argon2_only(county, account):
    (row,) = [row for row in county.contents()["person"] if row[0] == account[0]]
    assert row[6].startswith("$argon2id$") and PASSWORD not in str(county.contents())


def test_the_same_password_is_never_stored_alike(county, account):
    before = county.contents()["person"]
    county.engine.identity.change_password(account[0], old=PASSWORD, new=PASSWORD)
    assert {row[6] for row in before if row[6]}.isdisjoint(row[6] for row in county.contents()["person"] if row[6])


@pytest.mark.parametrize("login, password", [("qian", "wrong"), ("nobody", PASSWORD), ("", ""), ("qian", "")])
def test_a_refused_sign_in_never_says_what_was_wrong(county, account, login, password):
    with pytest.raises(NotAllowed) as refused:
        county.engine.identity.sign_in(login, password, "10.0.0.1")
    assert refused.value.reason == "用户名或者密码不对"


def test_a_longer_text_that_begins_like_the_password_is_another_one(county, administrator, account):
    longest = "长" * 200
    county.engine.identity.set_password(county.engine.identity.password_link(account[0], by=administrator), longest)
    with pytest.raises(NotAllowed):
        county.engine.identity.sign_in("qian", longest + "x", "10.0.0.1")


def test_after_five_wrong_passwords_even_the_right_one_is_refused(county, account):
    fail_to_sign_in(county, "qian", 5)
    with pytest.raises(Refused) as refused:
        county.engine.identity.sign_in("Qian", PASSWORD, "10.0.0.2")
    assert refused.value.code == "too_many_tries"


def test_one_may_sign_in_again_after_an_hour(county, account):
    fail_to_sign_in(county, "qian", 5)
    county.clock.at += timedelta(minutes=61)
    assert county.engine.identity.sign_in("qian", PASSWORD, "10.0.0.1").person_id == account[0]


def test_a_good_sign_in_forgets_the_mistakes_before_it(county, account):
    for _ in range(2):
        fail_to_sign_in(county, "qian", 4)
        assert county.engine.identity.sign_in("qian", PASSWORD, "10.0.0.1").person_id == account[0]


def test_names_that_do_not_exist_are_throttled_too(county):
    fail_to_sign_in(county, "nobody", 5)
    with pytest.raises(Refused):
        county.engine.identity.sign_in("nobody", "anything", "10.0.0.1")


# --- links ----------------------------------------------------------------------------------------------------------


def test_a_link_sets_a_password_once(county, administrator, account):
    token = county.engine.identity.password_link(account[0], by=administrator)
    county.engine.identity.set_password(token, "another password")
    with pytest.raises(NotFound):
        county.engine.identity.set_password(token, "a third password")
    assert county.engine.identity.sign_in("qian", "another password", "10.0.0.1").person_id == account[0]


def test_a_newer_link_ends_the_one_before(county, administrator, account):
    first = county.engine.identity.password_link(account[0], by=administrator)
    county.engine.identity.password_link(account[0], by=administrator)
    with pytest.raises(NotFound):
        county.engine.identity.link_holder(first)


def test_a_link_ends_after_three_days(county, administrator, account):
    token = county.engine.identity.password_link(account[0], by=administrator)
    county.clock.at += timedelta(days=3)
    with pytest.raises(NotFound):
        county.engine.identity.set_password(token, "another password")


def test_a_link_is_not_stored(county, administrator, account):
    token = county.engine.identity.password_link(account[0], by=administrator)
    assert token not in str(county.contents())


@pytest.mark.parametrize("password", ["short", "长" * 201])
def test_a_password_too_short_or_too_long_leaves_the_link_good(county, administrator, account, password):
    token = county.engine.identity.password_link(account[0], by=administrator)
    with pytest.raises(InvalidForm) as refused:
        county.engine.identity.set_password(token, password)
    assert list(refused.value.fields) == ["password"]
    assert county.engine.identity.link_holder(token).id == account[0]


@pytest.mark.parametrize("name", ["李文清", "吴春山", "郑图南"])
def test_only_the_administrator_makes_links_and_persons_and_substitutes(county, account, name):
    by, today = county.people.id(name), date(2026, 3, 16)
    identity, unit_id = county.engine.identity, county.people.unit("石桥村")
    before = county.contents()
    with pytest.raises(NotAllowed):
        identity.password_link(account[0], by=by)
    with pytest.raises(NotAllowed):
        identity.add_person(by=by, name="新人", unit_id=unit_id)
    with pytest.raises(NotAllowed):
        identity.substitute(county.post("VD"), substitute_id=by, from_on=today, until_on=today, by=by)
    with pytest.raises(NotAllowed):
        identity.people(by=by)
    with pytest.raises(NotAllowed):
        identity.person(account[0], by=by)
    assert county.contents() == before


# --- sessions -------------------------------------------------------------------------------------------------------


def test_sessions_end_when_the_password_changes(county, account):
    before = county.engine.identity.actor(account[0]).session_key
    county.engine.identity.change_password(account[0], old=PASSWORD, new="another password")
    assert county.engine.identity.actor(account[0]).session_key != before


def test_sessions_end_when_a_link_sets_the_password(county, administrator, account):
    before = county.engine.identity.actor(account[0]).session_key
    token = county.engine.identity.password_link(account[0], by=administrator)
    county.engine.identity.set_password(token, "another password")
    assert county.engine.identity.actor(account[0]).session_key != before


def test_a_password_is_not_changed_without_the_old_one(county, account):
    before = county.contents()
    with pytest.raises(InvalidForm) as refused:
        county.engine.identity.change_password(account[0], old="guess", new="another password")
    assert list(refused.value.fields) == ["old"] and county.contents() == before


# --- people ---------------------------------------------------------------------------------------------------------


def test_two_persons_cannot_have_one_login(county, administrator, account):
    unit_id = county.people.unit("石桥村")
    with pytest.raises(InvalidForm) as refused:
        county.engine.identity.add_person(by=administrator, name="钱小小", unit_id=unit_id, login="QIAN")
    assert list(refused.value.fields) == ["login"]


@pytest.mark.parametrize(
    "name, sides",
    [
        ("李文清", {"cadre"}),
        ("周明镜", {"cadre", "supervisor"}),
        ("吴春山", {"cadre", "supervisor"}),
        ("孟怀远", {"supervisor"}),
        ("温知序", {"administrator"}),
        ("郑图南", {"designer"}),
        ("张秀英", set()),
    ],
)
def test_what_one_may_use_follows_from_the_posts(county, name, sides):
    assert county.engine.identity.actor(county.people.id(name)).sides == sides


def test_a_post_belongs_to_the_level_of_its_unit(county, administrator):
    with pytest.raises(InvalidForm):
        county.engine.identity.appoint(
            county.people.id("张秀英"),
            role="CL",
            unit_id=county.people.unit("云溪镇"),
            by=administrator,
            from_on=date(2026, 3, 16),
        )


def test_nobody_stands_in_for_himself(county, administrator):
    director, today = county.post("VD"), date(2026, 3, 16)
    with pytest.raises(InvalidForm):
        county.engine.identity.substitute(
            director, substitute_id=director, from_on=today, until_on=today, by=administrator
        )


def test_who_stands_in_holds_no_post_that_excludes_that_of_the_absent(county, administrator):
    identity, today, by = county.engine.identity, date(2026, 3, 16), administrator
    keeper, clerk, director = county.post("SK"), county.post("CL"), county.post("VD")
    for absent, substitute in ((keeper, clerk), (clerk, keeper)):
        with pytest.raises(Refused) as refused:
            identity.substitute(absent, substitute_id=substitute, from_on=today, until_on=today, by=by)
        assert refused.value.code == "incompatible"
    identity.substitute(director, substitute_id=clerk, from_on=today, until_on=today, by=by)


def test_the_last_administrator_keeps_his_post_until_another_has_one(county, administrator):
    identity, by = county.engine.identity, administrator
    (post,) = (each for each in identity.person(by, by=by).posts if each.role == "SA")
    with pytest.raises(Refused) as refused:
        identity.end_appointment(post.id, by=by)
    assert refused.value.code == "last_administrator"
    identity.appoint(county.post("CL"), role="SA", unit_id=post.unit.id, from_on=date(2026, 1, 1), by=by)
    identity.end_appointment(post.id, by=by)
    assert "administrator" not in identity.actor(by).sides
