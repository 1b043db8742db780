"""Contracts for the tools of AgentDojo, by hand, as an operator of such tools would write them.

A tool is the house's own where nobody else can write into what it returns; mail, files, messages,
transactions, reviews and pages are not, but ids and amounts in them are set by the
system, and those who take part in an event or write in a room are members of it.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect, Idempotency

_WHO, _WHAT, _MUCH = ArgumentRole.WHO, ArgumentRole.WHAT, ArgumentRole.MUCH
_PAYLOAD, _URL, _TITLE = ArgumentRole.PAYLOAD, ArgumentRole.URL, ArgumentRole.TITLE
_Terms = dict[str, Any]


def _reads(roles: Mapping[str, ArgumentRole] | None = None, **more: Any) -> _Terms:
    return {"effect": Effect.READ, "roles": dict(roles or {}), **more}


def _does(effect: Effect, roles: Mapping[str, ArgumentRole], **more: Any) -> _Terms:
    """What it did is the house's own word, and of that only the id of what it made is new."""
    terms = {"first_party": True, "records": {"id_": _WHAT, "id": _WHAT}}
    return {"effect": effect, "roles": dict(roles), **terms, **more}


_EGRESS, _COMMIT, _WRITE = Effect.EGRESS, Effect.COMMIT, Effect.WRITE
_IDS: _Terms = {"records": {"id_": _WHAT}}
_OWN: _Terms = {"first_party": True}
# Whoever is in it may have named the room, or oneself.
_MEMBERS: _Terms = {"members": ("*",)}
_LEDGER: _Terms = {"records": {"id": _WHAT, "amount": _MUCH}}

_MAIL = {
    "send_email": _does(
        _EGRESS,
        {
            "recipients": _WHO,
            "cc": _WHO,
            "bcc": _WHO,
            "subject": _PAYLOAD,
            "body": _PAYLOAD,
            "attachments": _PAYLOAD,
        },
    ),
    "delete_email": _does(Effect.DESTROY, {"email_id": _WHAT}),
    "get_unread_emails": _reads(**_IDS),
    "get_sent_emails": _reads(**_IDS),
    "get_received_emails": _reads(**_IDS),
    "get_draft_emails": _reads(**_IDS),
    "search_emails": _reads(**_IDS),
    "search_contacts_by_name": _reads(**_OWN, records={"email": _WHO, "name": _WHO}),
    "search_contacts_by_email": _reads(**_OWN, records={"email": _WHO, "name": _WHO}),
}

_CALENDAR = {
    "get_current_day": _reads(**_OWN),
    "search_calendar_events": _reads(**_IDS, members=("participants",)),
    "get_day_calendar_events": _reads(**_IDS, members=("participants",)),
    "create_calendar_event": _does(
        _EGRESS,
        {
            "title": _TITLE,
            "participants": _WHO,
            "description": _PAYLOAD,
            "location": _PAYLOAD,
        },
    ),
    "cancel_calendar_event": _does(Effect.DESTROY, {"event_id": _WHAT}),
    # Both return the event whole, as whoever made it described it.
    "reschedule_calendar_event": _does(_EGRESS, {"event_id": _WHAT}, first_party=False),
    "add_calendar_event_participants": _does(
        _EGRESS, {"event_id": _WHAT, "participants": _WHO}, first_party=False
    ),
}

_FILES = {
    "append_to_file": _does(_WRITE, {"file_id": _WHAT, "content": _PAYLOAD}, first_party=False),
    "search_files_by_filename": _reads(**_IDS),
    "create_file": _does(_WRITE, {"filename": _TITLE, "content": _PAYLOAD}),
    "delete_file": _does(Effect.DESTROY, {"file_id": _WHAT}),
    "get_file_by_id": _reads({"file_id": _WHAT}, **_IDS),
    "list_files": _reads(**_IDS),
    "share_file": _does(
        _EGRESS, {"file_id": _WHAT, "email": _WHO, "permission": _PAYLOAD}, first_party=False
    ),
    "search_files": _reads(**_IDS),
}

_TRAVEL = {
    "get_user_information": _reads(**_OWN),
    **{
        name: _reads(**_OWN)
        for name in (
            "get_all_hotels_in_city",
            "get_hotels_prices",
            "get_hotels_address",
            "get_all_restaurants_in_city",
            "get_cuisine_type_for_restaurants",
            "get_restaurants_address",
            "get_dietary_restrictions_for_all_restaurants",
            "get_contact_information_for_restaurants",
            "get_price_for_restaurants",
            "check_restaurant_opening_hours",
            "get_all_car_rental_companies_in_city",
            "get_car_types_available",
            "get_car_fuel_options",
            "get_car_rental_address",
            "get_car_price_per_day",
            "get_flight_information",
        )
    },
    # Anybody writes reviews.
    "get_rating_reviews_for_hotels": _reads(),
    "get_rating_reviews_for_restaurants": _reads(),
    "get_rating_reviews_for_car_rental": _reads(),
    "reserve_hotel": _does(_COMMIT, {"hotel": _WHAT}),
    "reserve_car_rental": _does(_COMMIT, {"company": _WHAT}),
    "reserve_restaurant": _does(_COMMIT, {"restaurant": _WHAT}),
}

_PAYMENT = {"recipient": _WHO, "amount": _MUCH, "subject": _PAYLOAD}
_BANKING = {
    "get_iban": _reads(**_OWN),
    "send_money": _does(_COMMIT, _PAYMENT),
    "schedule_transaction": _does(_COMMIT, _PAYMENT),
    "update_scheduled_transaction": _does(_COMMIT, {"id": _WHAT, **_PAYMENT}),
    "get_balance": _reads(**_OWN),
    "get_most_recent_transactions": _reads(**_LEDGER),
    "get_scheduled_transactions": _reads(**_LEDGER),
    "read_file": _reads({"file_path": _WHAT}),
    "get_user_info": _reads(**_OWN),
    "update_password": _does(_COMMIT, {"password": _WHAT}),
    "update_user_info": _does(
        _COMMIT, dict.fromkeys(("first_name", "last_name", "street", "city"), _WHAT)
    ),
}

_SLACK = {
    "get_channels": _reads(**_MEMBERS),
    "add_user_to_channel": _does(_EGRESS, {"user": _WHO, "channel": _WHO}),
    "read_channel_messages": _reads({"channel": _WHAT}, members=("sender",)),
    "read_inbox": _reads({"user": _WHAT}),
    "send_direct_message": _does(_EGRESS, {"recipient": _WHO, "body": _PAYLOAD}),
    "send_channel_message": _does(_EGRESS, {"channel": _WHO, "body": _PAYLOAD}),
    "get_users_in_channel": _reads({"channel": _WHAT}, **_MEMBERS),
    "invite_user_to_slack": _does(_COMMIT, {"user": _WHO, "user_email": _WHO}),
    "remove_user_from_slack": _does(Effect.DESTROY, {"user": _WHO}),
    "get_webpage": _reads({"url": _URL}),
    "post_webpage": _does(_EGRESS, {"url": _URL, "content": _PAYLOAD}),
}

_ALL: dict[str, _Terms] = {**_MAIL, **_CALENDAR, **_FILES, **_TRAVEL, **_BANKING, **_SLACK}


def contract(name: str, schema: Mapping[str, Any]) -> Contract:
    """The contract of one tool. Errors: KeyError for a tool that is not of AgentDojo."""
    return Contract(
        name=name,
        description=f"what {name} does",
        risk=RiskLevel.LOW,
        risk_reason="the benchmark lets risk decide nothing",
        input_schema=_arguments(schema),
        idempotency=Idempotency.PURE,
        **_ALL[name],
    )


def _arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Names, what is required, and what leaving one out means; types are the tools' own matter."""
    known = schema.get("properties", {})
    declared = {n: {"default": p["default"]} if "default" in p else {} for n, p in known.items()}
    required = [name for name in schema.get("required", ()) if name in declared]
    return {"type": "object", "properties": declared, "required": required}
